//! `meoww resend`.

use super::Context;
use crate::{cli::Resend, error::Error};

pub(super) async fn run(context: &Context, args: Resend) -> Result<(), Error> {
    let done = context.api.resend(args.user_id.as_deref()).await?;
    context.result(
        "A new code was mailed; older ones are void. Confirm it with `meoww verify CODE`.",
        &done,
    )
}
