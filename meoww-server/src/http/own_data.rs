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
    clock,
    core::{
        account::rfc3339_millis,
        safety::{Report, ReportId},
    },
    services::Services,
};

/// `GET /api/auth/me/export`.
pub(crate) async fn export(
    State(services): State<Arc<Services>>,
    Authenticated { account, bearer }: Authenticated,
) -> Result<Json<AccountExport>, Refusal> {
    let awaited = services.store.awaited_address(account.id, clock::now()).await?;
    Ok(Json(AccountExport {
        user: services.user(&account),
        new_email: awaited.map(|email| email.as_str().to_owned()),
        sessions: sessions::infos(&services, bearer).await?,
        blocks: blocks::infos(&services, account.id).await?,
        reports: reports(&services, account.id).await?,
    }))
}

/// What a user filed. Of reports about the user nothing is said: that would name who filed them.
async fn reports(services: &Services, user: UserId) -> Result<Vec<ReportInfo>, Refusal> {
    let info = |(id, report): (ReportId, Report)| ReportInfo {
        id: id.to_string(),
        created_at: rfc3339_millis(report.filed_at),
        lines: report.own_lines().map(str::to_owned).collect(),
        reason: report.reason,
    };
    Ok(services.store.reports_by(user).await?.into_iter().map(info).collect())
}

/// `DELETE /api/auth/me`.
pub(crate) async fn delete(
    State(services): State<Arc<Services>>,
    authenticated: Authenticated,
    body: Result<Body<DeleteAccountRequest>, Refusal>,
) -> Result<(CookieJar, Json<Done>), Refusal> {
    let Body(DeleteAccountRequest { password }) = body?;
    auth::demand_password(&services, &authenticated, password).await?;
    let account = authenticated.account;
    services.delete_account(account.id).await?;
    tracing::info!(user = %account.id, "account deleted");
    Ok((cookies::clear(&services), Json(Done { message: "Your account was deleted".into() })))
}
