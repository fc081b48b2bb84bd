//! `user sessions`: where somebody is logged in, and how to end it.

use clap::Args;
use serde::{Deserialize, Serialize};

use super::Named;
use crate::{
    admin::{
        AdminRequest, Desk,
        client::Client,
        failure::{Failure, Problem},
        output::Out,
    },
    clock,
    core::{account::rfc3339_millis, session::SessionId},
};

/// List an account's sessions, or end them.
#[derive(Args, Serialize, Deserialize)]
#[command(after_help = "\
Examples:
  meoww-server user sessions ada
  meoww-server user sessions ada --end 2f1c7f0e-6a53-4f0e-9d3b-0d6f2a1f9c11
  meoww-server user sessions ada --end-all")]
pub(crate) struct Sessions {
    #[command(flatten)]
    named: Named,
    /// End this one, and list the others
    #[arg(long, value_name = "SESSION", conflicts_with = "end_all")]
    end: Option<SessionId>,
    /// End them all
    #[arg(long)]
    end_all: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Open {
    id: String,
    client: String,
    created_at: String,
    refreshed_at: String,
    expires_at: String,
}

impl AdminRequest for Sessions {
    const NAME: &'static str = "user sessions";
    type Answer = Vec<Open>;

    async fn answer(self, desk: &Desk) -> Result<Vec<Open>, Problem> {
        let user = self.named.account(desk).await?.id;
        if self.end_all {
            desk.services.end_sessions(user).await?;
        }
        if let Some(session) = self.end
            && !desk.services.end_session(user, session).await?
        {
            return Err(Problem::not_found(format!("the user has no session {session}")));
        }
        let sessions = desk.services.store.sessions_of(user, clock::now()).await?;
        let open = sessions.iter().map(|open| Open {
            id: open.id.to_string(),
            client: open.session.client.as_str().to_owned(),
            created_at: rfc3339_millis(open.session.created_at),
            refreshed_at: rfc3339_millis(open.session.refreshed_at),
            expires_at: rfc3339_millis(open.session.expires_at),
        });
        Ok(open.collect())
    }
}

impl Sessions {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let open = client.ask(self).await?;
        let heading = ["ID", "CLIENT", "OPENED", "REFRESHED", "EXPIRES"];
        Ok(out.rows(&open, heading, |open| {
            [
                open.id.clone(),
                open.client.clone(),
                open.created_at.clone(),
                open.refreshed_at.clone(),
                open.expires_at.clone(),
            ]
        })?)
    }
}
