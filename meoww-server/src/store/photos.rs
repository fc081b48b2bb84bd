//! Which photo is whose.

use meoww_proto::UserId;

use super::{
    Store, StoreError,
    records::{decode, encode},
    trees::{Trees, get},
};
use crate::core::account::Account;

/// An account whose photo was changed.
pub struct PhotoChange {
    /// As it is now.
    pub account: Account,
    /// The `profile_image` it had before.
    pub before: String,
}

impl Store {
    /// Gives an account another `profile_image`; `None` when there is no such account.
    pub async fn set_profile_image(
        &self,
        user: UserId,
        image: String,
    ) -> Result<Option<PhotoChange>, StoreError> {
        self.write(move |trees| trees.set_profile_image(user, &image)).await
    }

    /// The `profile_image` of every account that has one.
    pub async fn profile_images(&self) -> Result<Vec<String>, StoreError> {
        self.read(Trees::profile_images).await
    }
}

impl Trees {
    fn set_profile_image(
        &self,
        user: UserId,
        image: &str,
    ) -> Result<Option<PhotoChange>, StoreError> {
        let change = self.accounts.transaction(|accounts| {
            let Some(mut account) = get::<Account>(accounts, user.as_bytes())? else {
                return Ok(None);
            };
            let before = std::mem::replace(&mut account.profile_image, image.to_owned());
            accounts.insert(user.as_bytes(), encode(&account))?;
            Ok(Some(PhotoChange { account, before }))
        })?;
        Ok(change)
    }

    fn profile_images(&self) -> Result<Vec<String>, StoreError> {
        let images = self.accounts.iter().map(|entry| {
            let (_, bytes) = entry?;
            Ok(decode::<Account>(&bytes)?.profile_image)
        });
        images.filter(|image| !image.as_ref().is_ok_and(String::is_empty)).collect()
    }
}
