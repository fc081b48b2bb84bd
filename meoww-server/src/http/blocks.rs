//! Whom one is never matched with: blocks are made on the socket, and seen and taken back here.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use meoww_proto::{
    RoomId, UserId,
    account::{BlockInfo, Blocks, Done},
};

use super::{auth::Authenticated, error::Refusal};
use crate::{
    core::{account::rfc3339_millis, safety::Block},
    services::Services,
};

/// `GET /api/auth/blocks`.
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    Authenticated { account, .. }: Authenticated,
) -> Result<Json<Blocks>, Refusal> {
    Ok(Json(Blocks { blocks: infos(&services, account.id).await? }))
}

/// A user's own blocks; of those others made of the user nothing is said.
pub(crate) async fn infos(services: &Services, user: UserId) -> Result<Vec<BlockInfo>, Refusal> {
    let blocks = services.store.blocks_of(user).await?;
    let info = |block: Block| BlockInfo {
        id: block.room.to_string(),
        created_at: rfc3339_millis(block.since),
    };
    Ok(blocks.into_iter().map(info).collect())
}

/// `DELETE /api/auth/blocks/{id}`.
pub(crate) async fn remove(
    State(services): State<Arc<Services>>,
    Authenticated { account, .. }: Authenticated,
    id: Result<Path<RoomId>, PathRejection>,
) -> Result<Json<Done>, Refusal> {
    let Path(room) = id.map_err(|_| Refusal::NotFound)?;
    if !services.unblock(account.id, room).await? {
        return Err(Refusal::NotFound);
    }
    Ok(Json(Done { message: "The block was taken back".into() }))
}
