//! Profile photos: what is done to them, on how many threads, and where they are kept.

mod picture;
mod store;

use std::sync::Arc;

use rand::RngExt;
use time::OffsetDateTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) use self::{
    picture::{PictureError, standardise},
    store::{PhotoId, PhotoStore, StorageError},
};
use crate::store::{Store, StoreError};

/// Largest upload, in bytes.
pub(crate) const MAX_UPLOAD_BYTES: usize = 5 * 1024 * 1024;
/// Uploads held in memory at once, on their way in or waiting for the thread: 160 MB at worst.
const MAX_UPLOADS: usize = 32;
/// A photo that belongs to nobody is removed once it is so old: its sign-up may be under way.
const ORPHAN_AGE: time::Duration = time::Duration::hours(1);

/// Why a photo was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PhotoError {
    /// Too many are being uploaded already.
    #[error("too many photos are being uploaded")]
    Busy,
    /// It is the upload's fault.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The thread that worked on it is gone.
    #[error("photo thread: {0}")]
    Failed(String),
}

/// Takes photos in and gives them out.
pub(crate) struct Photos {
    /// One permit an upload.
    places: Arc<Semaphore>,
    /// One picture at a time, so that memory is bounded by what one may take.
    worker: Arc<Semaphore>,
    store: PhotoStore,
}

/// An upload in memory, and its leave to be there.
pub(crate) struct Upload {
    pub(crate) bytes: Vec<u8>,
    place: OwnedSemaphorePermit,
}

/// A picture, and what it will be called.
pub(crate) struct Photo {
    pub(crate) id: PhotoId,
    pub(crate) jpeg: Vec<u8>,
}

impl Photo {
    /// What the account it belongs to keeps of it.
    pub(crate) fn profile_image(&self) -> String {
        self.id.to_profile_image()
    }
}

impl Photos {
    pub(crate) fn new(store: PhotoStore) -> Self {
        let (places, worker) = (Semaphore::new(MAX_UPLOADS), Semaphore::new(1));
        Self { places: Arc::new(places), worker: Arc::new(worker), store }
    }

    /// A place for an upload that is about to be read.
    pub(crate) fn place(&self) -> Result<Upload, PhotoError> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| PhotoError::Busy)?;
        Ok(Upload { bytes: Vec::new(), place })
    }

    /// Makes a profile picture of an upload, on a thread of its own. The permits go with the work:
    /// a client that hangs up frees them when it is done.
    pub(crate) async fn standardise(&self, upload: Upload) -> Result<Photo, PhotoError> {
        let failed = |error: &dyn std::error::Error| PhotoError::Failed(error.to_string());
        let thread = self.worker.clone().acquire_owned().await.map_err(|e| failed(&e))?;
        let picture = tokio::task::spawn_blocking(move || {
            let _permits = (upload.place, thread);
            standardise(&upload.bytes)
        });
        let jpeg = picture.await.map_err(|e| failed(&e))??;
        Ok(Photo { id: PhotoId::generate(rand::rng().random()), jpeg })
    }

    /// Keeps a picture.
    pub(crate) async fn put(&self, photo: Photo) -> Result<(), StorageError> {
        self.store.put(photo.id, photo.jpeg).await
    }

    /// A picture, if there is such a one.
    pub(crate) async fn get(&self, id: PhotoId) -> Result<Option<Vec<u8>>, StorageError> {
        self.store.get(id).await
    }

    /// Removes the picture of an account that no longer has it, given its `profile_image`. What
    /// cannot be removed now, [`Photos::remove_orphans`] removes later; what never was ours stays.
    pub(crate) async fn remove(&self, profile_image: &str) {
        let Some(id) = PhotoId::of_profile_image(profile_image) else { return };
        if let Err(error) = self.store.delete(id).await {
            tracing::warn!(%error, "a photo could not be removed; it will be tried again");
        }
    }

    /// Removes pictures that no account has: those of sign-ups that expired or were cut short.
    pub(crate) async fn remove_orphans(
        &self,
        accounts: &Store,
        now: OffsetDateTime,
    ) -> Result<(), OrphanError> {
        let candidates = self.store.older_than(now - ORPHAN_AGE).await?;
        if candidates.is_empty() {
            return Ok(());
        }
        let in_use = accounts.profile_images().await?;
        let in_use = in_use.iter().filter_map(|image| PhotoId::of_profile_image(image)).collect();
        for id in candidates.difference(&in_use) {
            self.store.delete(*id).await?;
        }
        Ok(())
    }
}

/// Why pictures without an account could not be looked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrphanError {
    #[error(transparent)]
    Photos(#[from] StorageError),
    #[error(transparent)]
    Accounts(#[from] StoreError),
}

#[cfg(test)]
mod tests;
