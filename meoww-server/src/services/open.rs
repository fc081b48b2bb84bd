//! Opens the data directory and everything in it.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Services,
    background::Background,
    drain::Drain,
    limits::{RateLimiters, SharedCounts},
    mail_queue::MAX_DELIVERIES,
    origins::Origins,
    readiness::Readiness,
};
use crate::{
    clock,
    config::{
        Bucket, Config, ConfigError,
        secrets::{self, OwnSecrets},
    },
    core::{
        fleet::{Fleet, NodeId},
        lobby::Lobby,
    },
    fleet::{
        bus::{Bus, BusError},
        envelope::BusKey,
    },
    hashing::{HashError, Hasher},
    hub::{
        self,
        lead::{Lead, Member},
    },
    mail::{Mailer, Post},
    metrics::Metrics,
    photos::{PhotoStore, Photos},
    store::{OnMissingDatabase, SharedSecret, Store, StoreError},
    tls::TlsError,
    tokens::AccessTokens,
};

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
    /// The other nodes are not reached.
    #[error(transparent)]
    Bus(#[from] BusError),
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

impl Services {
    /// Opens the data directory and everything in it; mail goes where the configuration says.
    pub(crate) async fn open(config: Config) -> Result<Arc<Self>, StartError> {
        let mailer = Mailer::from_config(&config)?;
        Self::with_mailer(config, mailer).await
    }

    /// Like [`Services::open`], to bring back a database that was lost.
    pub(crate) async fn open_to_restore(config: Config) -> Result<Arc<Self>, StartError> {
        let mailer = Mailer::from_config(&config)?;
        Self::open_with(config, mailer, OnMissingDatabase::BeginAnew).await
    }

    /// Like [`Services::open`], with another way for mail to go.
    pub(crate) async fn with_mailer(
        config: Config,
        mailer: Mailer,
    ) -> Result<Arc<Self>, StartError> {
        Self::open_with(config, mailer, OnMissingDatabase::Refuse).await
    }

    async fn open_with(
        config: Config,
        mailer: Mailer,
        if_lost: OnMissingDatabase,
    ) -> Result<Arc<Self>, StartError> {
        let settings = config.clone();
        let opening = tokio::task::spawn_blocking(move || Files::open(settings, if_lost)).await;
        let files = opening.map_err(|error| StoreError::Broken(error.to_string()))??;
        let store = match (&config.database, files.store) {
            (Some(url), _) => Store::connect(url, config.database_connections).await?,
            (None, Some(store)) => store,
            (None, None) => return Err(StoreError::Broken("no database is opened".into()).into()),
        };
        let access = access_key(&config, &files.secrets);
        store.demand_same_secrets(shared_secrets(access, &files.secrets.otp)).await?;
        let tokens = AccessTokens::new(access, config.access_lifetime);
        let hasher = files.hasher;
        let lead = lead(&config, &store, access, &files.secrets.otp).await?;
        let bus = lead.bus_metrics();
        let hub = hub::start(store.clone(), lead);
        let shared = SharedCounts::new(&store, &files.secrets.otp);
        let rate_limiters = RateLimiters::new(&config.limits, shared);
        let metrics = Metrics::new(&hub.metrics, &store.latency, &hasher.queue, bus.as_ref());
        Ok(Arc::new(Self {
            metrics: Arc::new(metrics),
            readiness: Readiness::default(),
            rate_limiters,
            drain: Drain::new(),
            hub,
            store,
            mailer: Post::new(mailer),
            origins: Origins::new(&config.frontend_origins),
            hasher,
            tokens,
            photos: Photos::new(files.photos),
            otp_key: files.secrets.otp,
            closing: CancellationToken::new(),
            background: Background::new(),
            deliveries: Semaphore::new(MAX_DELIVERIES),
            sockets: TaskTracker::new(),
            _lock: files.lock,
            config,
        }))
    }
}

/// Joins the other nodes, if there are any.
async fn lead(
    config: &Config,
    store: &Store,
    access: &[u8],
    otp: &[u8],
) -> Result<Lead, StartError> {
    for shortcoming in config.shortcomings() {
        tracing::warn!("{shortcoming}");
    }
    let Some(url) = &config.nats else {
        let lobby = if config.limit_skips { Lobby::default() } else { Lobby::unpaced() };
        return Ok(Lead::Alone(Box::new(lobby)));
    };
    let node = NodeId::new(store.next_node_id().await?);
    let node =
        node.ok_or_else(|| StoreError::Broken("the database gave no id of a node".into()))?;
    let key = BusKey::derive(access, otp, store.database_id().await?);
    let bus = Bus::connect(url, key, node).await?;
    tracing::info!(%node, "joined the nodes on NATS");
    let fleet = Fleet::new(node, clock::instant());
    let fleet = if config.limit_skips { fleet } else { fleet.unpaced() };
    Ok(Lead::Among(Box::new(Member::new(fleet, bus))))
}

/// The opened data directory, and everything else that blocks at the start.
struct Files {
    lock: File,
    secrets: OwnSecrets,
    /// The one in the directory, unless it is elsewhere.
    store: Option<Store>,
    hasher: Hasher,
    photos: PhotoStore,
}

impl Files {
    fn open(config: Config, if_lost: OnMissingDatabase) -> Result<Self, StartError> {
        let directory = config.data_dir.as_path();
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| StartError::Files(path, error)
        };
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(directory).map_err(failed(directory))?;
        let lock = lock(directory)?;
        let path = directory.join("secrets.toml");
        let secrets = secrets::load_or_create(&path, &mut rand::rng()).map_err(failed(&path))?;
        let store = match config.database {
            Some(_) => None,
            None => Some(Store::open_in(directory, if_lost)?),
        };
        let hasher =
            Hasher::new().map_err(|error: HashError| StartError::Hashing(error.to_string()))?;
        let photos = photos(directory, config.photo_store)?;
        Ok(Self { lock, secrets, store, hasher, photos })
    }
}

/// Tries whether a server could start on the database of the configuration, and changes nothing.
pub(crate) async fn try_database(config: &Config) -> Result<(), StartError> {
    let Some(url) = &config.database else { return Ok(()) };
    let path = config.data_dir.join("secrets.toml");
    let secrets = secrets::load_or_draw(&path, &mut rand::rng());
    let secrets = secrets.map_err(|error| StartError::Files(path, error))?;
    let shared = shared_secrets(access_key(config, &secrets), &secrets.otp);
    Ok(Store::try_out(url, shared).await?)
}

/// The key of access tokens: that of the configuration, or of the server's own.
fn access_key<'a>(config: &'a Config, own: &'a OwnSecrets) -> &'a [u8] {
    let configured = config.access_secret.as_ref().map(|secret| secret.expose().as_bytes());
    configured.unwrap_or(&own.access)
}

/// What a session, or a code, of one server is judged by at another.
fn shared_secrets(access: &[u8], otp: &[u8]) -> Vec<SharedSecret> {
    let access_name = "the key of access tokens (JWT_ACCESS_SECRET, or `access` in secrets.toml)";
    vec![
        SharedSecret::new("access", access_name, access),
        SharedSecret::new("otp", "the key of mailed codes (`otp` in secrets.toml)", otp),
    ]
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
