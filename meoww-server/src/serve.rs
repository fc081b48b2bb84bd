//! `serve`: the server itself, until it is told to stop. The first signal lets calls finish, the
//! second does not.

use std::{convert::Infallible, env, io::Write, net::SocketAddr, path::PathBuf};

use clap::Args;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};

use crate::{
    admin::failure::Failure,
    config::{Config, Flags},
    logging::{self, LogFormat},
    server::Server,
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
    /// How the log on stderr looks; MEOWW_LOG says how much of it there is
    #[arg(long, value_name = "FORMAT", env = "MEOWW_LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,
}

impl Serve {
    pub(crate) async fn run(self, flags: Flags) -> Result<(), Failure> {
        logging::to_stderr(self.log_format);
        let flags =
            Flags { listen: self.listen, tls_cert: self.tls_cert, tls_key: self.tls_key, ..flags };
        run(flags).await
    }
}

async fn run(flags: Flags) -> Result<(), Failure> {
    let config = resolve(&flags)?;
    let address = config.listen;
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    // Before anything says that the server is ready, so that no signal finds it unprepared.
    let mut stop = StopSignals::new()?;
    let hangup = signal(SignalKind::hangup())?;
    let server = Server::open(config).await?;
    let listener =
        TcpListener::bind(address).await.map_err(|error| Failure::Listen(address, error))?;
    let local = listener.local_addr()?;
    let mut out = std::io::stdout().lock();
    let said = writeln!(out, "listening on {scheme}://{local}").and_then(|()| out.flush());
    drop(out);
    if let Err(error) = said {
        tracing::warn!(%error, "server could not print its address");
    }
    server.log_summary(local);
    let reload = reload_on(hangup, &server, &flags);
    // The first asks the server to end, and the second to wait for nobody.
    let stop = async {
        stop.next().await;
        let services = &server.services;
        if !services.is_draining() {
            services.begin_drain(services.config.drain_grace);
            stop.next().await;
        }
    };
    tokio::select! {
        served = server.clone().serve(listener, stop) => Ok(served?),
        never = reload => match never {},
    }
}

fn resolve(flags: &Flags) -> Result<Config, crate::config::ConfigError> {
    Config::resolve(flags.clone(), |name| env::var(name).ok())
}

/// Takes up what has changed, at each SIGHUP.
async fn reload_on(mut hangup: Signal, server: &Server, flags: &Flags) -> Infallible {
    loop {
        hangup.recv().await;
        match resolve(flags) {
            Ok(config) => server.reload(config).await,
            Err(error) => tracing::error!(%error, "the configuration in use stays"),
        }
    }
}

/// SIGTERM and SIGINT, which mean the same.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn new() -> std::io::Result<Self> {
        let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
        Ok(Self { terminate: signal(terminate)?, interrupt: signal(interrupt)? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
