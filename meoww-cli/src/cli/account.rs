//! Commands for what one has at the server.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `meoww sessions`.
#[derive(Debug, Args)]
#[command(after_help = SESSIONS_HELP)]
pub struct Sessions {
    /// What to do [default: list]
    #[command(subcommand)]
    pub command: Option<SessionsCommand>,
}

const SESSIONS_HELP: &str = "\
A session begins with each login and ends by itself when it is not used for days. One you do not
know: revoke it, and change the password.";

/// Of `meoww sessions`.
#[derive(Debug, Subcommand)]
pub enum SessionsCommand {
    /// Show them, the newest first
    List,
    /// End one; its machine has to log in again
    #[command(alias = "end")]
    Revoke {
        /// As `list` shows it
        id: String,
    },
    /// End all but the one of this machine
    #[command(alias = "end-others")]
    RevokeOthers,
}

/// `meoww password`.
#[derive(Debug, Subcommand)]
pub enum Password {
    /// Give the present password and a new one; ends all sessions but this
    #[command(after_help = CHANGE_HELP)]
    Change,
    /// Have a code mailed that lets you set a new one
    Forgot {
        /// The account's
        #[arg(long)]
        email: Option<String>,
    },
    /// Set a new one with the code from the mail; ends all sessions
    Reset {
        /// The six digits from the mail
        code: Option<String>,
        /// The account's
        #[arg(long)]
        email: Option<String>,
    },
}

const CHANGE_HELP: &str = "\
In scripts: MEOWW_PASSWORD and MEOWW_NEW_PASSWORD, or two lines of stdin, the present one first.";

/// `meoww email`.
#[derive(Debug, Subcommand)]
pub enum Email {
    /// Have a code mailed to a new address
    Change {
        /// The new address
        address: Option<String>,
    },
    /// Use the new address from now on
    Confirm {
        /// The six digits from the mail to the new address
        code: Option<String>,
    },
}

/// `meoww account`.
#[derive(Debug, Subcommand)]
pub enum Account {
    /// Delete the account and everything of it, at once and for good
    Delete {
        /// Do not ask whether that is meant
        #[arg(long)]
        yes: bool,
    },
    /// Get everything the server keeps of you, as JSON
    Export {
        /// A new file, readable by you alone [default: stdout]
        file: Option<PathBuf>,
    },
}

/// `meoww blocks`.
#[derive(Debug, Args)]
#[command(after_help = BLOCKS_HELP)]
pub struct Blocks {
    /// What to do [default: list]
    #[command(subcommand)]
    pub command: Option<BlocksCommand>,
}

const BLOCKS_HELP: &str = "\
Block somebody during a call or just after it with F5, and lift the block with `meoww unblock ID`. Who
they are stays unknown: strangers are.";

/// Of `meoww blocks`.
#[derive(Debug, Subcommand)]
pub enum BlocksCommand {
    /// Show them, the newest first
    List,
    /// The former name of `meoww unblock`
    #[command(hide = true)]
    Remove(Unblock),
}

/// `meoww unblock`.
#[derive(Debug, Args)]
pub struct Unblock {
    /// As `meoww blocks` shows it
    pub id: String,
}
