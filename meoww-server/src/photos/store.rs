//! Where photos are kept: a folder, or a bucket that speaks S3.

use std::{
    collections::HashSet, fmt, fs::DirBuilder, io, os::unix::fs::DirBuilderExt,
    path::Path as FilePath, str::FromStr, time::Duration,
};

use futures_util::TryStreamExt;
use object_store::{
    ClientConfigKey, ObjectStore, ObjectStoreExt, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    local::LocalFileSystem,
    path::Path,
    prefix::PrefixStore,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::config::Bucket;

/// Longest one attempt at a bucket may take, and all attempts together.
const ATTEMPT_TIMEOUT: &str = "5 seconds";
const RETRY_TIMEOUT: Duration = Duration::from_secs(10);
/// Where photos are served, also the beginning of an account's `profile_image`.
const ROUTE: &str = "/photos/";

/// The store failed.
#[derive(Debug, thiserror::Error)]
#[error("photo store: {0}")]
pub(crate) struct StorageError(#[from] object_store::Error);

/// Names one photo. It is drawn, not counted: only who was told of a photo can find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PhotoId(Uuid);

impl PhotoId {
    /// A fresh one.
    pub(crate) fn generate(random: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(random).into_uuid())
    }

    /// What an account keeps of it: the path it is served at.
    pub(crate) fn to_profile_image(self) -> String {
        format!("{ROUTE}{self}")
    }

    /// The photo of an account, if it has one that is kept here.
    pub(crate) fn of_profile_image(path: &str) -> Option<Self> {
        path.strip_prefix(ROUTE)?.parse().ok()
    }
}

/// The name of its file.
impl fmt::Display for PhotoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.jpg", self.0.as_hyphenated())
    }
}

/// The text names no photo.
#[derive(Debug)]
pub(crate) struct NotAPhoto;

impl FromStr for PhotoId {
    type Err = NotAPhoto;

    /// Takes only what [`PhotoId`] itself would write, so that a photo has one name.
    fn from_str(file: &str) -> Result<Self, NotAPhoto> {
        let id = file.strip_suffix(".jpg").and_then(|uuid| Uuid::try_parse(uuid).ok()).map(Self);
        id.filter(|id| id.to_string() == file).ok_or(NotAPhoto)
    }
}

/// The photos of all accounts.
pub(crate) struct PhotoStore(Box<dyn ObjectStore>);

impl PhotoStore {
    /// Keeps them in `directory`, which is made if need be and readable by its owner only.
    pub(crate) fn in_folder(directory: &FilePath) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let folder = LocalFileSystem::new_with_prefix(directory).map_err(io::Error::other)?;
        Ok(Self(Box::new(folder.with_fsync(true))))
    }

    /// Keeps them in a bucket; who may write there is said by the usual `AWS_*` variables. Fails
    /// where these say nonsense.
    pub(crate) fn in_bucket(bucket: &Bucket) -> Result<Self, StorageError> {
        let retry =
            RetryConfig { max_retries: 2, retry_timeout: RETRY_TIMEOUT, ..Default::default() };
        let timeout = AmazonS3ConfigKey::Client(ClientConfigKey::Timeout);
        let store = AmazonS3Builder::from_env()
            .with_bucket_name(&bucket.name)
            .with_config(timeout, ATTEMPT_TIMEOUT)
            .with_retry(retry)
            .build()?;
        Ok(Self(Box::new(PrefixStore::new(store, bucket.prefix.as_str()))))
    }

    /// Keeps a photo; once it returns, the photo is there whole.
    pub(crate) async fn put(&self, id: PhotoId, photo: Vec<u8>) -> Result<(), StorageError> {
        self.0.put(&name(id), photo.into()).await?;
        Ok(())
    }

    /// A photo, if there is such a one.
    pub(crate) async fn get(&self, id: PhotoId) -> Result<Option<Vec<u8>>, StorageError> {
        match self.0.get(&name(id)).await {
            Ok(found) => Ok(Some(found.bytes().await?.into())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a photo, if it is there.
    pub(crate) async fn delete(&self, id: PhotoId) -> Result<(), StorageError> {
        match self.0.delete(&name(id)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The photos that were written before `age`.
    pub(crate) async fn older_than(
        &self,
        age: OffsetDateTime,
    ) -> Result<HashSet<PhotoId>, StorageError> {
        let mut listing = self.0.list(None);
        let mut old = HashSet::new();
        while let Some(object) = listing.try_next().await? {
            let id = object.location.filename().and_then(|name| name.parse().ok());
            if let Some(id) = id
                && object.last_modified.timestamp() < age.unix_timestamp()
            {
                old.insert(id);
            }
        }
        Ok(old)
    }
}

fn name(id: PhotoId) -> Path {
    Path::from(id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_photo_has_one_name() {
        let id = PhotoId::generate([7; 16]);
        assert_eq!(PhotoId::of_profile_image(&id.to_profile_image()), Some(id));
        let file = id.to_string();
        let others = [
            file.to_uppercase(),
            file.replace('-', ""),
            file.replace(".jpg", ".png"),
            format!("../{file}"),
            format!("{{{file}"),
            String::new(),
        ];
        assert!(others.iter().all(|other| other.parse::<PhotoId>().is_err()));
        assert_eq!(PhotoId::of_profile_image("https://img.example/photos/a.jpg"), None);
    }

    #[tokio::test]
    async fn a_folder_keeps_gives_and_forgets() {
        let dir = tempfile::tempdir().expect("a directory");
        let folder = dir.path().join("photos");
        let store = PhotoStore::in_folder(&folder).expect("a store");
        let mode = std::fs::metadata(&folder).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let id = PhotoId::generate([1; 16]);
        assert_eq!(store.get(id).await.expect("no failure"), None);
        store.put(id, b"photo".to_vec()).await.expect("kept");
        assert_eq!(store.get(id).await.expect("no failure").as_deref(), Some(&b"photo"[..]));
        let now = crate::clock::now();
        let older = async |age| store.older_than(age).await.expect("listed");
        assert!(older(now - time::Duration::hours(1)).await.is_empty());
        assert_eq!(older(now + time::Duration::hours(1)).await, HashSet::from([id]));
        store.delete(id).await.expect("removed");
        store.delete(id).await.expect("removed again");
        assert_eq!(store.get(id).await.expect("no failure"), None);
    }
}
