//! The server put together: opened once, served until told to stop. Nothing else knows it.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::Router;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

pub use crate::services::StartError;
use crate::{
    admin::{Desk, nodes, socket::Socket},
    clock,
    config::Config,
    http,
    listener::{self, Bounds, Service},
    mail::Mailer,
    services::Services,
    sockets,
    store::{StoreError, exports},
    tls::{self, Certificates},
};

/// Longest the end may take: requests under way, goodbyes on sockets.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);
/// Longest the export at the end may take.
const EXPORT_GRACE: Duration = Duration::from_secs(10);
/// How often what has run out is forgotten.
const PURGE_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// How often counts of rate limits that are over are forgotten, where servers count together.
const FORGET_INTERVAL: Duration = Duration::from_secs(60);

/// One server.
pub struct Server {
    pub(crate) services: Arc<Services>,
    /// Where those who watch it ask; taken when it is served.
    watch: Mutex<Option<TcpListener>>,
    watch_address: Option<SocketAddr>,
    certificates: Option<Arc<Certificates>>,
}

/// Every route of a server.
pub(crate) fn routes(services: Arc<Services>) -> Router {
    let sockets = sockets::routes(&services);
    http::router(services, sockets)
}

impl Server {
    /// Opens the data directory and everything in it; mail goes where the configuration says.
    pub async fn open(config: Config) -> Result<Arc<Self>, StartError> {
        let mailer = Mailer::from_config(&config)?;
        Self::with_mailer(config, mailer).await
    }

    /// Like [`Server::open`], with another way for mail to go.
    pub async fn with_mailer(config: Config, mailer: Mailer) -> Result<Arc<Self>, StartError> {
        let tls = config.tls.clone();
        let opening = tokio::task::spawn_blocking(|| tls.map(Certificates::open).transpose());
        let certificates =
            opening.await.map_err(|error| StoreError::Broken(error.to_string()))??;
        let watch = match config.metrics_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        Ok(Arc::new(Self {
            services: Services::with_mailer(config, mailer).await?,
            watch_address: watch.as_ref().and_then(|listener| listener.local_addr().ok()),
            watch: Mutex::new(watch),
            certificates,
        }))
    }

    /// Serves until `stop` completes. Then sockets are told, requests under way finish within ten
    /// seconds, and everything is on disk when this returns, another ten seconds later at most.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()> {
        self.services.look_for_old_hashes().await.map_err(io::Error::other)?;
        self.services.resume_mails().await.map_err(io::Error::other)?;
        let watched = self.services.store.watch().await.map_err(io::Error::other)?;
        let service = Service {
            router: routes(self.services.clone()),
            tls: self.acceptor().map_err(io::Error::other)?,
            bounds: Bounds::from_config(&self.services.config),
        };
        let mut serving = listener::start(listener, service, self.services.closing.clone());
        let admin = Socket::open(&self.services.config.data_dir)
            .inspect_err(|error| tracing::error!(%error, "admin socket did not open"));
        let desk = Arc::new(Desk { services: self.services.clone(), is_serving: true });
        tokio::pin!(stop);
        tokio::select! {
            failed = &mut serving => tracing::error!(?failed, "listener stopped accepting"),
            () = self.services.hub.failed() => tracing::error!("the hub has failed"),
            () = self.serve_metrics() => {}
            () = self.forget_expired() => {}
            () = self.forget_counts() => {}
            () = self.services.watch_others(watched) => {}
            () = exports::keep(&self.services.store, &self.services.config.data_dir) => {}
            () = self.watch_certificate() => {}
            () = answer_operators(admin.as_ref().ok(), desk.clone()) => {}
            never = nodes::answer_others(desk) => match never {},
            () = self.services.drained() => tracing::info!("server is stopping"),
            () = &mut stop => tracing::info!("server is stopping"),
        }
        self.services.closing.cancel();
        let farewell = async {
            if !serving.is_finished() {
                let _ = serving.await;
            }
            self.services.sockets.close();
            self.services.sockets.wait().await;
            self.services.background.finish().await;
        };
        if tokio::time::timeout(SHUTDOWN_GRACE, farewell).await.is_err() {
            tracing::warn!("connections did not end in time");
        }
        self.services.store.flush().await.map_err(io::Error::other)?;
        exports::save_within(&self.services.store, &self.services.config.data_dir, EXPORT_GRACE)
            .await;
        if self.services.hub.has_failed() {
            // The service manager restarts the process.
            return Err(io::Error::other("the hub has failed"));
        }
        Ok(())
    }

    /// Where `/metrics` is served, if it is.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.watch_address
    }

    /// Answers those who watch; runs as long as the server does.
    async fn serve_metrics(self: &Arc<Self>) {
        let listener = self.watch.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(listener) = listener else { return std::future::pending().await };
        let bounds = Bounds { connections: 64, per_address: 64, proxies: Vec::new() };
        let service =
            Service { router: http::watch::router(self.services.clone()), tls: None, bounds };
        listener::run(listener, service, self.services.closing.clone()).await;
    }

    /// Takes up limits, origins, the way mail goes and the certificate: all of the first three or
    /// none. What else is new is named in the log.
    pub async fn reload(&self, new: Config) {
        match Mailer::from_config(&new) {
            Ok(mailer) => {
                self.services.mailer.change(mailer);
                self.services.rate_limiters.adopt(&new.limits);
                let ignored = self.services.config.fixed_differences(&new).join(", ");
                self.services.origins.change(new.frontend_origins);
                if !ignored.is_empty() {
                    tracing::warn!(%ignored, "these settings need a restart");
                }
                tracing::info!("server reloaded limits, origins and mail");
            }
            Err(error) => tracing::error!(%error, "the configuration in use stays"),
        }
        if let Some(certificates) = self.certificates.clone() {
            // A panic in there was logged; the certificate in use stays.
            let _ = tokio::task::spawn_blocking(move || certificates.reload()).await;
        }
    }

    /// Says in the log what this server is.
    pub(crate) fn log_summary(&self, address: SocketAddr) {
        let Config { data_dir, tls, turn, smtp_url, secure_cookies, .. } = &self.services.config;
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            %address,
            metrics = ?self.watch_address,
            data_dir = %data_dir.display(),
            tls = tls.is_some(),
            turn = turn.is_some(),
            mail = if smtp_url.is_some() { "smtp" } else { "outbox" },
            secure_cookies,
            "serving"
        );
    }

    fn acceptor(&self) -> Result<Option<TlsAcceptor>, rustls::Error> {
        self.certificates.clone().map(Certificates::acceptor).transpose()
    }

    /// Runs as long as the server does.
    async fn watch_certificate(&self) {
        match &self.certificates {
            Some(certificates) => certificates.clone().watch(tls::POLL_INTERVAL).await,
            None => std::future::pending().await,
        }
    }

    /// Whether none of the servers on the database did this lately.
    async fn is_due(&self, duty: &'static str, every: Duration) -> bool {
        // The timers of two servers, and of one at two times, are a little apart.
        match self.services.store.claim(duty, every / 2).await {
            Ok(is_due) => is_due,
            Err(error) => {
                tracing::error!(%error, duty, "store could not say whose duty it is");
                false
            }
        }
    }

    /// Runs as long as the server does.
    async fn forget_counts(&self) {
        let mut timer = tokio::time::interval(FORGET_INTERVAL);
        loop {
            timer.tick().await;
            if self.is_due("counts", FORGET_INTERVAL).await
                && let Err(error) = self.services.store.forget_tallies().await
            {
                tracing::error!(%error, "store could not forget counts that are over");
            }
        }
    }

    /// Runs as long as the server does.
    async fn forget_expired(&self) {
        let mut timer = tokio::time::interval(PURGE_INTERVAL);
        loop {
            timer.tick().await;
            let (store, photos) = (&self.services.store, &self.services.photos);
            if self.is_due("purge", PURGE_INTERVAL).await
                && let Err(error) = store.purge_expired(clock::now()).await
            {
                tracing::error!(%error, "store could not purge expired records");
            }
            // Those in a folder are this server's alone.
            let is_due = self.services.config.photo_store.is_none()
                || self.is_due("removal of photos", PURGE_INTERVAL).await;
            if is_due && let Err(error) = photos.remove_orphans(store, clock::now()).await {
                tracing::warn!(%error, "could not remove photos that belong to nobody");
            }
        }
    }
}

/// Runs as long as the server does, also where a file system has no sockets.
async fn answer_operators(socket: Option<&Socket>, desk: Arc<Desk>) {
    match socket {
        Some(socket) => match socket.answer(desk).await {},
        None => std::future::pending().await,
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Listen(address, error))
}
