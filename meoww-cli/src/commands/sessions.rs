//! `meoww sessions`.

use meoww_proto::account::{SessionInfo, Sessions};
use serde_json::json;

use super::Context;
use crate::{
    cli::{self, SessionsCommand},
    error::Error,
};

pub(super) async fn run(context: &Context, args: cli::Sessions) -> Result<(), Error> {
    match args.command.unwrap_or(SessionsCommand::List) {
        SessionsCommand::List => list(context).await,
        SessionsCommand::Revoke { id } => revoke(context, &id).await,
        SessionsCommand::RevokeOthers => {
            context.api.revoke_other_sessions().await?;
            context.result("All other sessions have ended.", &json!({"ended": "others"}))
        }
    }
}

async fn list(context: &Context) -> Result<(), Error> {
    let found = context.api.sessions().await?;
    let lines: Vec<String> = found.sessions.iter().map(line).collect();
    context.result(&lines.join("\n"), &found)
}

fn line(session: &SessionInfo) -> String {
    let SessionInfo { id, created_at, refreshed_at, client, current, expires_at: _ } = session;
    let here = if *current { "this one" } else { "" };
    format!("{id}  {here:<8}  since {created_at}, used {refreshed_at}  {client}")
}

/// The session of this machine is ended like by `meoww logout`, so that nothing is kept of it.
async fn revoke(context: &Context, id: &str) -> Result<(), Error> {
    let Sessions { sessions } = context.api.sessions().await?;
    match sessions.iter().find(|session| session.id == id) {
        Some(session) if session.current => context.api.logout().await?,
        Some(_) => context.api.revoke_session(id).await?,
        None => {
            let none = "There is no such session. `meoww sessions` shows them.";
            return Err(Error::InvalidInput(none.into()));
        }
    }
    context.result("The session has ended.", &json!({ "ended": id }))
}
