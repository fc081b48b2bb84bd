//! The profile photo of an account.

use std::sync::Arc;

use meoww_proto::UserId;

use super::{Refusal, Services};
use crate::{core::account::Account, photos::Photo};

impl Services {
    /// Gives an account another photo, or none; `None` if there is no such account. The old photo
    /// goes only once the account has the new one. What a failure in between leaves behind is swept
    /// up later.
    pub(crate) async fn change_photo(
        self: &Arc<Self>,
        user: UserId,
        photo: Option<Photo>,
    ) -> Result<Option<Account>, Refusal> {
        self.finish(async move |services: Arc<Self>| {
            let image = photo.as_ref().map(Photo::profile_image).unwrap_or_default();
            if let Some(photo) = photo {
                services.photos.put(photo).await?;
            }
            let Some(change) = services.store.set_profile_image(user, image).await? else {
                return Ok(None);
            };
            services.photos.remove(&change.before).await;
            Ok(Some(change.account))
        })
        .await
    }
}
