//! The server put together: opened once, served until told to stop.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use meoww_proto::account::User;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admin::{Desk, socket::Socket},
    background::Background,
    clock,
    config::{
        Bucket, Config, ConfigError,
        secrets::{self, OwnSecrets},
    },
    core::{account::Account, lobby::Lobby},
    drain::Drain,
    exports,
    hashing::{HashError, Hasher},
    http::{self, cors::Origins, gate::Gates},
    hub::{self, HubHandle},
    listener::{self, Bounds, Service},
    mail::{Mailer, Post},
    metrics::Metrics,
    photos::{PhotoStore, Photos},
    readiness::Readiness,
    store::{IfLost, Store, StoreError},
    tls::{self, Certificates, TlsError},
    tokens::AccessTokens,
};

/// Longest the end may take: requests under way, goodbyes on sockets.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);
/// How often what has run out is forgotten.
const PURGE_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Found out only when it was put to use.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another process has the data directory.
    #[error("another server is using the data directory {0}")]
    InUse(PathBuf),
    /// A file in the data directory cannot be made or read.
    #[error("{0}: {1}")]
    Files(PathBuf, io::Error),
    /// The database does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no TLS with the certificate and key that were given.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address for metrics is not ours.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    /// Password hashing does not work here.
    #[error("password hashing does not work: {0}")]
    Hashing(String),
}

/// One server.
pub struct App {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) mailer: Post,
    pub(crate) origins: Origins,
    pub(crate) hasher: Hasher,
    pub(crate) tokens: AccessTokens,
    pub(crate) photos: Photos,
    pub(crate) otp_key: [u8; 32],
    pub(crate) gates: Gates,
    pub(crate) hub: HubHandle,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) readiness: Readiness,
    /// Where those who watch it ask; taken when it is served.
    watch: Mutex<Option<TcpListener>>,
    watch_address: Option<SocketAddr>,
    certificates: Option<Arc<Certificates>>,
    pub(crate) drain: Drain,
    /// Cancelled when the server begins to stop.
    pub(crate) closing: CancellationToken,
    /// Mail on its way.
    pub(crate) background: Background,
    /// The tasks of open sockets.
    pub(crate) sockets: TaskTracker,
    /// Held for as long as the data directory is ours.
    _lock: File,
}

impl App {
    /// Opens the data directory and everything in it; mail goes where the configuration says.
    pub async fn open(config: Config) -> Result<Arc<Self>, StartError> {
        let mailer = Mailer::from_config(&config)?;
        Self::with_mailer(config, mailer).await
    }

    /// Like [`App::open`], to bring back a database that was lost.
    pub(crate) async fn open_to_restore(config: Config) -> Result<Arc<Self>, StartError> {
        let mailer = Mailer::from_config(&config)?;
        Self::open_with(config, mailer, IfLost::BeginAnew).await
    }

    /// Like [`App::open`], with another way for mail to go.
    pub async fn with_mailer(config: Config, mailer: Mailer) -> Result<Arc<Self>, StartError> {
        Self::open_with(config, mailer, IfLost::Refuse).await
    }

    async fn open_with(
        config: Config,
        mailer: Mailer,
        if_lost: IfLost,
    ) -> Result<Arc<Self>, StartError> {
        let settings = config.clone();
        let opening = tokio::task::spawn_blocking(move || Files::open(settings, if_lost)).await;
        let files = opening.map_err(|error| StoreError::Broken(error.to_string()))??;
        let access = config.access_secret.as_ref().map(|secret| secret.expose().as_bytes());
        let tokens =
            AccessTokens::new(access.unwrap_or(&files.secrets.access), config.access_lifetime);
        let watch = match config.metrics_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let (store, hasher) = (files.store, files.hasher);
        let lobby = if config.pace_skips { Lobby::default() } else { Lobby::unpaced() };
        let hub = hub::start(store.clone(), lobby);
        let metrics = Metrics::new(&hub.metrics, &store.latency, &hasher.queue);
        Ok(Arc::new(Self {
            metrics: Arc::new(metrics),
            readiness: Readiness::default(),
            watch_address: watch.as_ref().and_then(|listener| listener.local_addr().ok()),
            watch: Mutex::new(watch),
            gates: Gates::new(&config.limits),
            drain: Drain::new(),
            hub,
            store,
            mailer: Post::new(mailer),
            origins: Origins::new(&config.frontend_origins),
            hasher,
            tokens,
            photos: Photos::new(files.photos),
            otp_key: files.secrets.otp,
            certificates: files.certificates,
            closing: CancellationToken::new(),
            background: Background::new(),
            sockets: TaskTracker::new(),
            _lock: files.lock,
            config,
        }))
    }

    /// An account as its owner sees it.
    pub(crate) fn user(&self, account: &Account) -> User {
        account.to_user(self.config.public_url.as_deref())
    }

    /// Serves until `stop` completes. Then sockets are told, requests under way finish within ten
    /// seconds, and everything is on disk when this returns.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()> {
        self.look_for_old_hashes().await.map_err(io::Error::other)?;
        let service = Service {
            router: http::router(self.clone()),
            tls: self.acceptor().map_err(io::Error::other)?,
            bounds: Bounds::from_config(&self.config),
        };
        let mut serving = listener::start(listener, service, self.closing.clone());
        let admin = Socket::open(&self.config.data_dir)
            .inspect_err(|error| tracing::error!(%error, "no admin socket"));
        tokio::pin!(stop);
        tokio::select! {
            failed = &mut serving => tracing::error!(?failed, "accepts no more"),
            () = self.be_watched() => {}
            () = self.forget_expired() => {}
            () = exports::keep(&self.store, &self.config.data_dir) => {}
            () = self.watch_certificate() => {}
            () = self.answer_operators(admin.as_ref().ok()) => {}
            () = self.drained() => tracing::info!("stopping"),
            () = &mut stop => tracing::info!("stopping"),
        }
        self.closing.cancel();
        let farewell = async {
            if !serving.is_finished() {
                let _ = serving.await;
            }
            self.sockets.close();
            self.sockets.wait().await;
            self.background.finish().await;
        };
        if tokio::time::timeout(SHUTDOWN_GRACE, farewell).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
        self.store.flush().await.map_err(io::Error::other)?;
        exports::save(&self.store, &self.config.data_dir).await;
        Ok(())
    }

    /// Where `/metrics` is served, if it is.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.watch_address
    }

    /// Answers those who watch; runs as long as the server does.
    async fn be_watched(self: &Arc<Self>) {
        let listener = self.watch.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(listener) = listener else { return std::future::pending().await };
        let bounds = Bounds { connections: 64, per_address: 64, proxies: Vec::new() };
        let service = Service { router: http::watch::router(self.clone()), tls: None, bounds };
        listener::run(listener, service, self.closing.clone()).await;
    }

    /// Takes up limits, origins, the way mail goes and the certificate: all of the first three or
    /// none. What else is new is named in the log.
    pub async fn reload(&self, new: Config) {
        match Mailer::from_config(&new) {
            Ok(mailer) => {
                self.mailer.change(mailer);
                self.gates.adopt(&new.limits);
                let ignored = self.config.fixed_differences(&new).join(", ");
                self.origins.change(new.frontend_origins);
                if !ignored.is_empty() {
                    tracing::warn!(%ignored, "these settings need a restart");
                }
                tracing::info!("limits, origins and mail are as configured now");
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
        let Config { data_dir, tls, turn, smtp_url, secure_cookies, .. } = &self.config;
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

    /// Runs as long as the server does, also where a file system has no sockets.
    async fn answer_operators(self: &Arc<Self>, socket: Option<&Socket>) {
        match socket {
            Some(socket) => {
                match socket.answer(Desk { app: self.clone(), is_serving: true }).await {}
            }
            None => std::future::pending().await,
        }
    }

    /// Runs as long as the server does.
    async fn forget_expired(&self) {
        let mut timer = tokio::time::interval(PURGE_INTERVAL);
        loop {
            timer.tick().await;
            if let Err(error) = self.store.purge_expired(clock::now()).await {
                tracing::error!(%error, "could not forget expired sessions");
            }
            if let Err(error) = self.photos.remove_orphans(&self.store, clock::now()).await {
                tracing::warn!(%error, "could not remove photos that belong to nobody");
            }
        }
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Listen(address, error))
}

/// What is in the data directory, and what else blocks while it starts.
struct Files {
    lock: File,
    secrets: OwnSecrets,
    store: Store,
    hasher: Hasher,
    photos: PhotoStore,
    certificates: Option<Arc<Certificates>>,
}

impl Files {
    fn open(config: Config, if_lost: IfLost) -> Result<Self, StartError> {
        let directory = config.data_dir.as_path();
        let certificates = config.tls.map(Certificates::open).transpose()?;
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| StartError::Files(path, error)
        };
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(directory).map_err(failed(directory))?;
        let lock = lock(directory)?;
        let path = directory.join("secrets.toml");
        let secrets = secrets::load_or_create(&path, &mut rand::rng()).map_err(failed(&path))?;
        let store = Store::open_in(directory, if_lost)?;
        let hasher =
            Hasher::new().map_err(|error: HashError| StartError::Hashing(error.to_string()))?;
        let photos = photos(directory, config.photo_store)?;
        Ok(Self { lock, secrets, store, hasher, photos, certificates })
    }
}

fn photos(directory: &Path, bucket: Option<Bucket>) -> Result<PhotoStore, StartError> {
    if let Some(bucket) = bucket {
        return PhotoStore::in_bucket(&bucket).map_err(|error| {
            let (name, reason) = ("MEOWW_PHOTO_STORE", error.to_string());
            StartError::Config(ConfigError::Invalid { name, reason })
        });
    }
    let folder = directory.join("photos");
    PhotoStore::in_folder(&folder).map_err(|error| StartError::Files(folder, error))
}

/// The kernel drops the lock with the process, however it ends.
pub(crate) fn lock(directory: &Path) -> Result<File, StartError> {
    let path = directory.join("lock");
    let failed = |error| StartError::Files(path.clone(), error);
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600);
    let file = file.open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::InUse(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
