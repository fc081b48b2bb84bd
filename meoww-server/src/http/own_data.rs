//! What is kept of oneself: taking it along, and having it removed.

use std::sync::Arc;

use axum::{Json, extract::State};
use axum_extra::extract::CookieJar;
use meoww_proto::{
    UserId,
    account::{AccountExport, DeleteAccountRequest, Done, ReportInfo},
};

use super::{
    auth::{self, Authenticated},
    blocks,
    body::Body,
    cookies,
    error::Refusal,
    sessions,
};
use crate::{
    app::App,
    clock,
    core::{
        account::rfc3339_millis,
        safety::{Report, ReportId},
    },
};

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
        reports: reports(&app, account.id).await?,
    }))
}

/// What a user filed. Of reports about the user nothing is said: that would name who filed them.
async fn reports(app: &App, user: UserId) -> Result<Vec<ReportInfo>, Refusal> {
    let info = |(id, report): (ReportId, Report)| ReportInfo {
        id: id.to_string(),
        created_at: rfc3339_millis(report.filed_at),
        lines: report.own_lines().map(str::to_owned).collect(),
        reason: report.reason,
    };
    Ok(app.store.reports_by(user).await?.into_iter().map(info).collect())
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
