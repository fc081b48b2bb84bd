//! What is kept of oneself: taking it along, and having it removed.

use std::sync::Arc;

use axum::{Json, extract::State};
use axum_extra::extract::CookieJar;
use meoww_proto::account::{AccountExport, DeleteAccountRequest, Done};

use super::{
    auth::{self, Authenticated},
    blocks,
    body::Body,
    cookies,
    error::Refusal,
    sessions,
};
use crate::{app::App, clock};

/// `GET /api/auth/me/export`.
pub(crate) async fn export(
    State(app): State<Arc<App>>,
    Authenticated { account, bearer }: Authenticated,
) -> Result<Json<AccountExport>, Refusal> {
    let awaited = app.store.awaited_address(account.id, clock::now()).await?;
    Ok(Json(AccountExport {
        user: app.user(&account),
        new_email: awaited.map(|email| email.as_str().to_owned()),
        sessions: sessions::infos(&app, bearer).await?,
        blocks: blocks::infos(&app, account.id).await?,
    }))
}

/// `DELETE /api/auth/me`.
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Authenticated { account, .. }: Authenticated,
    body: Result<Body<DeleteAccountRequest>, Refusal>,
) -> Result<(CookieJar, Json<Done>), Refusal> {
    let Body(DeleteAccountRequest { password }) = body?;
    auth::demand_password(&app, &account, password).await?;
    app.delete_account(account.id).await?;
    tracing::info!(user = %account.id, "account deleted");
    Ok((cookies::clear(&app), Json(Done { message: "Your account was deleted".into() })))
}
