//! `serve`: the server itself, until it is told to stop.

use std::{
    env,
    io::{IsTerminal, Write},
    net::SocketAddr,
    path::PathBuf,
};

use clap::Args;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::failure::Failure;
use crate::{
    app::App,
    config::{Config, Flags},
};

#[derive(Args)]
pub(crate) struct Serve {
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:5000, env: MEOWW_LISTEN, PORT]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Serve TLS with this certificate chain, in PEM [env: MEOWW_TLS_CERT]
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM [env: MEOWW_TLS_KEY]
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

impl Serve {
    pub(crate) async fn run(self, flags: Flags) -> Result<(), Failure> {
        log_to_stderr();
        let flags =
            Flags { listen: self.listen, tls_cert: self.tls_cert, tls_key: self.tls_key, ..flags };
        run(Config::resolve(flags, |name| env::var(name).ok())?).await
    }
}

async fn run(config: Config) -> Result<(), Failure> {
    let address = config.listen;
    // Before anything says that the server is ready, so that no signal finds it unprepared.
    let stop = stop_signal()?;
    let app = App::open(config).await?;
    let listener =
        TcpListener::bind(address).await.map_err(|error| Failure::Listen(address, error))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on http://{}", listener.local_addr()?)?;
    out.flush()?;
    drop(out);
    app.serve(listener, stop.cancelled_owned()).await?;
    Ok(())
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
    use tokio::signal::unix::{SignalKind, signal};
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
