//! What the media connection reports.

use meoww_proto::{
    RoomId,
    signal::{ClientMessage, RelayPayload},
};

use super::{Call, Media, Phase, Room};
use crate::core::event::{CallEvent, EndReason, NoPicture, PeerEvent};

impl Call {
    pub(super) fn peer(&mut self, room_id: RoomId, event: PeerEvent) {
        let Phase::InRoom(room) = self.phase else { return };
        if room.id != room_id {
            return;
        }
        match event {
            PeerEvent::LocalOffer(offer) => self.send_in_room(room_id, RelayPayload::Offer(offer)),
            PeerEvent::LocalAnswer(sdp) => self.send_in_room(room_id, RelayPayload::Answer(sdp)),
            PeerEvent::LocalCandidate(candidate) => {
                self.send_in_room(room_id, RelayPayload::Candidate(candidate));
            }
            PeerEvent::Connected { relayed } => {
                self.phase = Phase::InRoom(Room { media: Media::Live, ..room });
                self.tell(CallEvent::Connected { relayed });
            }
            PeerEvent::Reconnecting(why) => {
                self.phase = Phase::InRoom(Room { media: Media::Lost, ..room });
                self.tell(CallEvent::Reconnecting(why));
            }
            PeerEvent::Reconnected { relayed } => {
                self.phase = Phase::InRoom(Room { media: Media::Live, ..room });
                self.tell(CallEvent::Reconnected { relayed });
            }
            PeerEvent::Route { relayed } => self.tell(CallEvent::Route { relayed }),
            PeerEvent::GoDirect(news) => self.tell(CallEvent::GoDirect(news)),
            PeerEvent::FirstFrame => self.tell(CallEvent::FirstFrame),
            PeerEvent::Camera { on } => self.tell(CallEvent::PartnerCamera { on }),
            PeerEvent::Safety(safety) => self.tell(CallEvent::Safety(safety)),
            PeerEvent::NoPicture(why) => {
                if why == NoPicture::NoCommonCodec {
                    self.mismatched(room);
                }
                self.tell(CallEvent::NoPicture(why));
            }
            PeerEvent::Sound { on } => self.tell(CallEvent::PartnerSound { on }),
            PeerEvent::NoSound => self.tell(CallEvent::NoSound),
            PeerEvent::Bye => self.end_and_leave(EndReason::PeerLeft),
            PeerEvent::Failed(why) => {
                self.notice(&why);
                match room.media {
                    Media::Negotiating => {
                        self.mismatched(room);
                        self.end_and_leave(EndReason::ConnectFailed);
                    }
                    Media::Live | Media::Lost => self.end_and_leave(EndReason::PeerLost),
                }
            }
        }
    }

    /// What failed with this partner would fail again, for both, as soon as they are matched again.
    fn mismatched(&mut self, room: Room) {
        if room.known_to_server {
            self.send_if_up(ClientMessage::Mismatch { room_id: room.id });
        }
    }

    /// The server may not know yet that the room is over.
    fn end_and_leave(&mut self, reason: EndReason) {
        self.end(reason);
        self.send_if_up(ClientMessage::Leave);
    }
}
