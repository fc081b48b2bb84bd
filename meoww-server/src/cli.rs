//! The command line: which commands there are, and what each way of ending means to a shell.

use std::{env, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{
    admin::{client::Client, db, failure::Failure, output::Out, serve, stats, user},
    config::{Config, ConfigError, Flags},
};

const EXIT_CODES: &str = "\
Exit codes:
  0  done; of serve: ended as asked (SIGTERM, SIGINT)
  1  failed while running
  2  wrong usage
  3  bad configuration
  4  data directory or database in use, not there, not writable or damaged
  5  address in use or not ours
  6  a secret is weak or a placeholder
  7  the command needs a running server, and none runs on this data directory
  8  there is no such user or report
  9  looked, and found something wrong
 10  taken by somebody else, or in the way of what is there";

const EXAMPLES: &str = "\
Commands go to the server that runs on the data directory, or open the database themselves when
none runs; the outcome is the same. Every command takes --json.

Examples:
  meoww-server serve --listen 127.0.0.1:5000
  meoww-server user list --search ada
  meoww-server user ban ada --until 7d --reason 'rude to strangers'
  meoww-server --data-dir /var/lib/meoww stats --json
";

/// The server of Meoww: accounts, matchmaking and signalling.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES, before_long_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Common {
    /// Directory of the database, the secrets and the outbox [default: the user's data directory, env: MEOWW_DATA_DIR]
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// TOML file with settings [env: MEOWW_CONFIG]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Print JSON: an object, or one a line for lists
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server until SIGTERM or SIGINT.
    Serve(serve::Serve),
    /// List, create, ban and change accounts.
    #[command(subcommand)]
    User(user::User),
    /// Check, back up, restore, export and import the database.
    #[command(subcommand)]
    Db(db::Db),
    /// Count accounts and, of a running server, connections and rooms.
    Stats(stats::Stats),
}

impl Common {
    fn flags(&self) -> Flags {
        let (data_dir, config) = (self.data_dir.clone(), self.config.clone());
        Flags { data_dir, config, ..Flags::default() }
    }

    fn client(&self) -> Result<Client, ConfigError> {
        let config = Config::resolve(self.flags(), |name| env::var(name).ok())?;
        Ok(Client::new(config))
    }
}

impl Cli {
    /// Does what was asked.
    #[expect(clippy::print_stderr, reason = "a failure is said to whoever typed the command")]
    pub fn run(self) -> ExitCode {
        match self.outcome() {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                eprintln!("meoww-server: {failure}");
                ExitCode::from(failure.exit_code())
            }
        }
    }

    fn outcome(self) -> Result<(), Failure> {
        let Self { command, common } = self;
        let out = Out::new(common.json);
        let runtime = tokio::runtime::Runtime::new()?;
        match command {
            Command::Serve(serve) => runtime.block_on(serve.run(common.flags())),
            Command::User(user) => runtime.block_on(user.run(&common.client()?, &out)),
            Command::Db(db) => runtime.block_on(db.run(&common.client()?, &out)),
            Command::Stats(stats) => runtime.block_on(stats.run(&common.client()?, &out)),
        }
    }
}
