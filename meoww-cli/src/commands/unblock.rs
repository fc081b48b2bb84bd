//! `meoww unblock`.

use serde_json::json;

use super::Context;
use crate::{cli::Unblock, error::Error};

pub(super) async fn run(context: &Context, args: Unblock) -> Result<(), Error> {
    context.api.unblock(&args.id).await?;
    context.result("You may meet them again.", &json!({ "removed": args.id }))
}
