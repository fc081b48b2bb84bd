//! `meoww logout`.

use serde_json::json;

use super::Context;
use crate::error::Error;

pub(super) async fn run(context: &Context) -> Result<(), Error> {
    match context.api.logout().await {
        Err(Error::Unreachable { server, why }) => {
            context.out.note(&format!(
                "Logged out here. {server} could not be told ({why}): the session there ends by itself."
            ));
        }
        other => other?,
    }
    context.result("Logged out.", &json!({ "loggedIn": false }))
}
