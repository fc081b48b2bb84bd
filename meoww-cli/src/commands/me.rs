//! `meoww me`.

use super::Context;
use crate::error::Error;

pub(super) async fn run(context: &Context) -> Result<(), Error> {
    let user = context.api.me().await?;
    let text = format!(
        "{} ({}), {}\nserver   {}\nsince    {}",
        user.username,
        user.name,
        user.email,
        context.api.server(),
        user.created_at
    );
    context.result(&text, &user)
}
