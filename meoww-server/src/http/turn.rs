//! STUN and TURN servers for a user's calls.

use std::sync::Arc;

use axum::{Json, extract::State};
use meoww_proto::account::{IceServer, TurnCredentials};

use super::{auth::Authenticated, error::Refusal};
use crate::{clock, core::turn, services::Services};

/// `GET /api/auth/turn-credentials`.
pub(crate) async fn credentials(
    State(services): State<Arc<Services>>,
    Authenticated { account, .. }: Authenticated,
) -> Result<Json<TurnCredentials>, Refusal> {
    let stun = services.config.stun_url.iter().map(|url| IceServer {
        urls: url.clone(),
        username: None,
        credential: None,
    });
    let turn = services.config.turn.iter().map(|relay| {
        turn::credentials(&relay.url, relay.secret.expose().as_bytes(), account.id, clock::now())
    });
    Ok(Json(TurnCredentials { ice_servers: stun.chain(turn).collect() }))
}
