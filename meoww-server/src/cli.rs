//! The command line: which commands there are, and what each way of ending means to a shell.

use std::{env, path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::{
    admin::{
        client::Client,
        configuration::Configuration,
        db::Db,
        documents::{self, Completions, Man},
        drain::Drain,
        failure::Failure,
        lobby::{Broadcast, Rooms},
        mail::Mail,
        output::{self, Out},
        report::Report,
        stats::Stats,
        turn::Turn,
        user::User,
    },
    config::{Config, ConfigError, Flags},
    openapi,
    serve::Serve,
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
 10  taken by somebody else, or in the way of what is there
Of a database elsewhere (MEOWW_DATABASE_URL):
 11  cannot be reached
 12  refuses user or password
 13  is not there, on a server that is
 14  has the tables of a newer version
 15  takes no writes: it is a standby
 16  no TLS as sslmode demands it
 17  other servers on it have another secret
 18  its clock and the one here differ by more than two seconds
Of other nodes (MEOWW_NATS_URL):
 19  done, but some did not answer; the message names them
 20  NATS cannot be reached
 21  NATS refuses user or password
 22  NATS takes too short messages";

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
    /// Directory of the database, the secrets and the outbox [default: the user's data directory, env:
    /// MEOWW_DATA_DIR]
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
    Serve(Serve),
    /// List, create, ban and change accounts.
    #[command(subcommand)]
    User(User),
    /// Look at what users report of each other.
    #[command(subcommand)]
    Report(Report),
    Stats(Stats),
    Rooms(Rooms),
    Broadcast(Broadcast),
    Drain(Drain),
    /// Check, back up, restore, export and import the database.
    #[command(subcommand)]
    Db(Db),
    /// Show and check settings, or begin a file of them.
    #[command(subcommand)]
    Config(Configuration),
    /// See whether mail arrives.
    #[command(subcommand)]
    Mail(Mail),
    /// See whether clients will get a relay.
    #[command(subcommand)]
    Turn(Turn),
    /// Print the description of the HTTP API (OpenAPI).
    Openapi,
    /// Print the description of the sockets (AsyncAPI).
    Asyncapi,
    Completions(Completions),
    Man(Man),
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
    pub fn run(self) -> ExitCode {
        match self.outcome() {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                output::say(&format!("meoww-server: {failure}"));
                ExitCode::from(failure.exit_code())
            }
        }
    }

    fn outcome(self) -> Result<(), Failure> {
        let Self { command, common } = self;
        let out = &Out::new(common.json);
        let runtime = tokio::runtime::Runtime::new()?;
        // The mail transport needs a runtime, also in commands that await nothing.
        let _entered = runtime.enter();
        let client = || common.client();
        match command {
            Command::Serve(serve) => runtime.block_on(serve.run(common.flags())),
            Command::User(user) => runtime.block_on(user.run(&client()?, out)),
            Command::Report(report) => runtime.block_on(report.run(&client()?, out)),
            Command::Stats(stats) => runtime.block_on(stats.run(&client()?, out)),
            Command::Rooms(rooms) => runtime.block_on(rooms.run(&client()?, out)),
            Command::Broadcast(text) => runtime.block_on(text.run(&client()?, out)),
            Command::Drain(drain) => runtime.block_on(drain.run(&client()?, out)),
            Command::Db(db) => runtime.block_on(db.run(&client()?, out)),
            Command::Config(config) => runtime.block_on(config.run(common.flags(), out)),
            Command::Mail(mail) => runtime.block_on(mail.run(&client()?, out)),
            Command::Turn(turn) => runtime.block_on(turn.run(&client()?, out)),
            Command::Openapi => documents::print(&openapi::document()),
            Command::Asyncapi => documents::print(&meoww_proto::asyncapi::document()),
            Command::Completions(completions) => completions.run(Self::command()),
            Command::Man(man) => man.run(Self::command()),
        }
    }
}
