//! The server put together: opened once, served until told to stop.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use meoww_proto::account::User;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admin::{Desk, socket::Socket},
    background::Background,
    clock,
    config::{
        Bucket, Config, ConfigError,
        secrets::{self, OwnSecrets},
    },
    core::account::Account,
    drain::Drain,
    hashing::{HashError, Hasher},
    http::{self, gate::Gates},
    hub::{self, HubHandle},
    listener,
    mail::Mailer,
    photos::{PhotoStore, Photos},
    store::{Store, StoreError},
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
    /// Password hashing does not work here.
    #[error("password hashing does not work: {0}")]
    Hashing(String),
}

/// One server.
pub struct App {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) mailer: Mailer,
    pub(crate) hasher: Hasher,
    pub(crate) tokens: AccessTokens,
    pub(crate) photos: Photos,
    pub(crate) otp_key: [u8; 32],
    pub(crate) gates: Gates,
    pub(crate) hub: HubHandle,
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

    /// Like [`App::open`], with another way for mail to go.
    pub async fn with_mailer(config: Config, mailer: Mailer) -> Result<Arc<Self>, StartError> {
        let (directory, bucket) = (config.data_dir.clone(), config.photo_store.clone());
        let opening = tokio::task::spawn_blocking(move || Files::open(&directory, bucket)).await;
        let files = opening.map_err(|error| StoreError::Broken(error.to_string()))??;
        let access = config.access_secret.as_ref().map(|secret| secret.expose().as_bytes());
        let tokens =
            AccessTokens::new(access.unwrap_or(&files.secrets.access), config.access_lifetime);
        Ok(Arc::new(Self {
            gates: Gates::new(&config.limits),
            drain: Drain::new(),
            hub: hub::start(files.store.clone()),
            config,
            store: files.store,
            mailer,
            hasher: files.hasher,
            tokens,
            photos: Photos::new(files.photos),
            otp_key: files.secrets.otp,
            closing: CancellationToken::new(),
            background: Background::new(),
            sockets: TaskTracker::new(),
            _lock: files.lock,
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
        let router = http::router(self.clone());
        let serving = listener::run(listener, router, self.closing.clone());
        let admin = Socket::open(&self.config.data_dir)
            .inspect_err(|error| tracing::error!(%error, "no admin socket"));
        tokio::pin!(serving, stop);
        tokio::select! {
            () = &mut serving => {}
            () = self.forget_expired() => {}
            () = self.answer_operators(admin.as_ref().ok()) => {}
            () = self.drained() => tracing::info!("stopping"),
            () = &mut stop => tracing::info!("stopping"),
        }
        self.closing.cancel();
        let farewell = async {
            serving.await;
            self.sockets.close();
            self.sockets.wait().await;
            self.background.finish().await;
        };
        if tokio::time::timeout(SHUTDOWN_GRACE, farewell).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
        self.store.flush().await.map_err(io::Error::other)
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

/// What is in the data directory, and what else blocks while it starts.
struct Files {
    lock: File,
    secrets: OwnSecrets,
    store: Store,
    hasher: Hasher,
    photos: PhotoStore,
}

impl Files {
    fn open(directory: &Path, bucket: Option<Bucket>) -> Result<Self, StartError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| StartError::Files(path, error)
        };
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(directory).map_err(failed(directory))?;
        let lock = lock(directory)?;
        let path = directory.join("secrets.toml");
        let secrets = secrets::load_or_create(&path, &mut rand::rng()).map_err(failed(&path))?;
        let store = Store::open(&directory.join("db"))?;
        let hasher =
            Hasher::new().map_err(|error: HashError| StartError::Hashing(error.to_string()))?;
        let photos = photos(directory, bucket)?;
        Ok(Self { lock, secrets, store, hasher, photos })
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
