//! What the user decides about a stranger met on this connection.

use meoww_proto::{
    RoomId,
    error::SignalErrorCode,
    signal::{Report, ServerMessage},
};

use super::{Connection, EventOutcome, error};
use crate::{core::lobby::Input, services::Unfiled, store::StoreError};

impl Connection {
    /// From here on nothing of the room passes, even if the block cannot be kept. The partner is told
    /// before it is: a database that fails over takes seconds.
    pub(super) async fn block(&mut self, room_id: RoomId) -> EventOutcome {
        let Some(met) = self.recent_partners.of(room_id) else {
            return EventOutcome::refused(SignalErrorCode::WrongRoom);
        };
        let was_present =
            self.current_room.take_if(|current_room| current_room.room == room_id).is_some();
        if was_present {
            self.services.hub.send_input(Input::Leave(self.conn)).await;
        }
        match self.services.block(self.user, met).await {
            Ok(()) => EventOutcome::Answered(ServerMessage::Blocked { room_id }),
            Err(failure) => not_kept(&failure),
        }
    }

    pub(super) async fn report(&mut self, report: Report) -> EventOutcome {
        let Report { room_id, reason } = report;
        let Some(met) = self.recent_partners.of(room_id) else {
            return EventOutcome::refused(SignalErrorCode::WrongRoom);
        };
        match self.services.file_report(self.user, met, reason).await {
            Ok(()) => EventOutcome::Answered(ServerMessage::Reported { room_id }),
            Err(Unfiled::TooMany) => {
                let words = "too many reports; try again in an hour";
                error(SignalErrorCode::RateLimited, words).into()
            }
            Err(Unfiled::Store(failure)) => not_kept(&failure),
        }
    }
}

fn not_kept(failure: &StoreError) -> EventOutcome {
    tracing::error!(%failure, "store could not write a block or a report");
    error(SignalErrorCode::Unknown, "the server could not keep this; try again").into()
}
