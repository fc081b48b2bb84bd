//! `meoww verify`.

use super::{Context, code};
use crate::{cli::Verify, error::Error};

pub(super) async fn run(context: &Context, args: Verify) -> Result<(), Error> {
    let user = context.api.verify(args.user_id.as_deref(), code(args.code)?).await?;
    let text =
        format!("Verified and logged in as {}. Find somebody: `meoww search`.", user.username);
    context.result(&text, &user)
}
