//! Relays to the partner and from the partner: nothing passes from one room to another.

use meoww_proto::{
    error::SignalErrorCode,
    signal::{Chat, Relay, RelayPayload, ServerMessage},
};

use super::{
    Connection,
    outcome::{EventOutcome, over_rate},
};
use crate::{
    core::safety::Speaker,
    send_queue::{NotQueued, relay_bytes},
};

impl Connection {
    /// Passes on to the partner; a chat line that was passed on comes back as an echo.
    pub(super) fn relay(&mut self, relay: Relay) -> EventOutcome {
        let Some(current_room) = &self.current_room else {
            return EventOutcome::refused(SignalErrorCode::NotInRoom);
        };
        if relay.room_id != current_room.room {
            return EventOutcome::refused(SignalErrorCode::WrongRoom);
        }
        let mut echo = None;
        match &relay.payload {
            RelayPayload::Chat(text) => {
                let (room_id, text) = (relay.room_id, text.clone());
                echo = Some(Chat { room_id, text, from_self: true });
            }
            RelayPayload::Offer(json) | RelayPayload::Answer(json) => {
                self.fragments.describe(json.get());
            }
            RelayPayload::Candidate(json) if !self.fragments.admits(json.get()) => {
                return EventOutcome::refused(SignalErrorCode::StaleCandidate);
            }
            RelayPayload::Candidate(_) => {}
        }
        let relayed = self.services.hub.metrics.relayed(&relay.payload);
        let allowance = self.bucket.admit_bytes(relay_bytes(&relay));
        if let Some(refused) = over_rate(allowance) {
            return refused;
        }
        let Some(partner) = &current_room.partner else {
            return EventOutcome::refused(SignalErrorCode::PartnerAway);
        };
        match partner.deliver(relay) {
            Ok(()) => relayed.inc(),
            // The hub has not heard of it yet.
            Err(NotQueued::Gone) => return EventOutcome::refused(SignalErrorCode::PartnerAway),
            Err(NotQueued::Full) => return EventOutcome::refused(SignalErrorCode::PartnerSlow),
        };
        let Some(chat) = echo else { return EventOutcome::Done };
        self.recent_partners.hear(Speaker::Reporter, &chat.text);
        EventOutcome::Answered(ServerMessage::Chat(chat))
    }

    /// Nothing meant for the last partner reaches the next.
    pub(super) fn pass_in(&mut self, relay: Relay) -> Option<ServerMessage> {
        self.current_room.as_ref().filter(|current_room| current_room.room == relay.room_id)?;
        Some(match relay.payload {
            RelayPayload::Chat(text) => {
                self.recent_partners.hear(Speaker::Reported, &text);
                ServerMessage::Chat(Chat { room_id: relay.room_id, text, from_self: false })
            }
            payload @ (RelayPayload::Offer(_)
            | RelayPayload::Answer(_)
            | RelayPayload::Candidate(_)) => ServerMessage::Signal(Relay { payload, ..relay }),
        })
    }
}
