//! The command line, and what each way of ending means to a shell.

use std::{
    convert::Infallible,
    env,
    io::{IsTerminal, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, Parser, Subcommand};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::{
    app::{App, StartError},
    config::{Config, ConfigError, Flags},
};

const EXIT_CODES: &str = "\
Exit codes:
  0  ended as asked (SIGTERM, SIGINT)
  1  failed while running
  2  wrong usage
  3  bad configuration
  4  data directory or database in use, not writable or damaged
  5  address in use or not ours
  6  a secret is weak or a placeholder";

/// The server of Meoww: accounts, matchmaking and signalling.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server until SIGTERM or SIGINT.
    #[command(after_help = EXIT_CODES)]
    Serve(ServeArgs),
}

#[derive(Args)]
struct ServeArgs {
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:5000, env: MEOWW_LISTEN, PORT]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Directory of the database, the secrets and the outbox [default: the user's data directory, env: MEOWW_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// TOML file with settings [env: MEOWW_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Serve TLS with this certificate chain, in PEM [env: MEOWW_TLS_CERT]
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM [env: MEOWW_TLS_KEY]
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    #[error("{0}")]
    Running(#[from] std::io::Error),
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Running(_) => 1,
            Self::Config(ConfigError::WeakSecret { .. })
            | Self::Start(StartError::Config(ConfigError::WeakSecret { .. })) => 6,
            Self::Config(_) | Self::Start(StartError::Config(_) | StartError::Tls(_)) => 3,
            Self::Start(_) => 4,
            Self::Listen(..) => 5,
        }
    }
}

impl Cli {
    /// Does what was asked.
    #[expect(clippy::print_stderr, reason = "a failure is said to whoever typed the command")]
    pub fn run(self) -> ExitCode {
        let outcome = match self.command {
            Command::Serve(args) => serve(args),
        };
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                eprintln!("meoww-server: {failure}");
                ExitCode::from(failure.exit_code())
            }
        }
    }
}

fn serve(args: ServeArgs) -> Result<(), Failure> {
    log_to_stderr();
    let flags = Flags {
        listen: args.listen,
        data_dir: args.data_dir,
        config: args.config,
        tls_cert: args.tls_cert,
        tls_key: args.tls_key,
    };
    let config = Config::resolve(flags, |name| env::var(name).ok())?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(run(config))
}

async fn run(config: Config) -> Result<(), Failure> {
    let address = config.listen;
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    // Before anything says that the server is ready, so that no signal finds it unprepared.
    let stop = stop_signal()?;
    let hangup = signal(SignalKind::hangup())?;
    let app = App::open(config).await?;
    let listener =
        TcpListener::bind(address).await.map_err(|error| Failure::Listen(address, error))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {scheme}://{}", listener.local_addr()?)?;
    out.flush()?;
    drop(out);
    let reload = reload_on(hangup, app.clone());
    tokio::select! {
        served = app.serve(listener, stop.cancelled_owned()) => Ok(served?),
        never = reload => match never {},
    }
}

/// Takes up what has changed, at each SIGHUP.
async fn reload_on(mut hangup: Signal, app: Arc<App>) -> Infallible {
    loop {
        hangup.recv().await;
        let app = app.clone();
        // A panic in there was logged, and nothing was changed.
        let _ = tokio::task::spawn_blocking(move || app.reload()).await;
    }
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("MEOWW_LOG")
        .or_else(|_| EnvFilter::try_from_default_env())
        .unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}

/// Cancelled by the first SIGTERM or SIGINT.
#[expect(clippy::disallowed_methods, reason = "waits for the signal as long as the process lives")]
fn stop_signal() -> std::io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopped.cancel();
    });
    Ok(stop)
}
