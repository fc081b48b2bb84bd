//! Which photo is whose.

use meoww_proto::UserId;

use super::{
    Store, StoreError,
    records::decode,
    scan::KeyRange,
    tables::{Table, Tables},
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
        self.write(move |tables| tables.set_profile_image(user, &image)).await
    }

    /// The `profile_image` of every account that has one.
    pub async fn profile_images(&self) -> Result<Vec<String>, StoreError> {
        self.read(Tables::profile_images).await
    }
}

impl Tables {
    fn set_profile_image(
        &self,
        user: UserId,
        image: &str,
    ) -> Result<Option<PhotoChange>, StoreError> {
        self.transaction(|tx| {
            let Some(mut account) = tx.account(user)? else { return Ok(None) };
            let before = std::mem::replace(&mut account.profile_image, image.to_owned());
            tx.put(Table::Accounts, user.as_bytes(), &account)?;
            Ok(Some(PhotoChange { account, before }))
        })
    }

    fn profile_images(&self) -> Result<Vec<String>, StoreError> {
        let images = self.scan(Table::Accounts, KeyRange::all()).map(|entry| {
            let (_, bytes) = entry?;
            Ok(decode::<Account>(&bytes)?.profile_image)
        });
        images.filter(|image| !image.as_ref().is_ok_and(String::is_empty)).collect()
    }
}
