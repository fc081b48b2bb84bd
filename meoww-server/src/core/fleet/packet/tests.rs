use meoww_proto::{RoomId, UserId, tags::MAX_TAG_WAIT};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::core::{
    fleet::{
        ConnReport, MAX_ANSWER_BYTES, MAX_BLOCKS, MAX_ENTRIES, RelayKind, RelayText, Request,
        RollEntry, RollSeat,
    },
    lobby::SearchCriteria,
};

fn node(number: u32) -> NodeId {
    NodeId::new(number).expect("a node")
}

fn user(name: u8) -> UserId {
    UserId::from_bytes([name; 12])
}

fn room() -> RoomId {
    RoomId::from_uuid(Uuid::from_u128(5))
}

fn packet(body: Body) -> Packet {
    Packet { from: node(1), to: Some(node(0xff_ffff)), session: 3, peer_session: 0, ack: 9, body }
}

fn data(message: Message) -> Packet {
    packet(Body::Data { seq: 7, message })
}

fn request(request: Request) -> Message {
    Message::Request(Term { round: 2, node: node(1) }, request)
}

fn waiting() -> ConnReport {
    let tags = ["cats".parse().expect("a tag"), "rust".parse().expect("a tag")];
    ConnReport {
        conn: node(1).conn(5),
        user: user(1),
        attempt: 3,
        criteria: SearchCriteria::new(&tags, MAX_TAG_WAIT),
        seat: RollSeat::Waiting { age_ms: 1500 },
    }
}

fn beat() -> Beat {
    Beat { term: None, leads: false, is_draining: true, hears_you: true, presence: None }
}

#[test]
fn a_packet_is_the_same_after_the_way() {
    let text = RelayText { kind: RelayKind::Chat, text: "meow".into() };
    let (from, to) = (node(1).conn(5), node(2).conn(6));
    let blocks = RollEntry::Blocks { user: user(1), blocked: vec![user(2); MAX_BLOCKS] };
    let packets = [
        Packet { to: None, ..packet(Body::Hello) },
        packet(Body::Beat(beat())),
        data(Message::Relay { from, to, room: room(), text }),
        data(request(Request::Roll(vec![blocks, RollEntry::Conn(waiting())]))),
    ];
    for packet in packets {
        assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
    }
}

#[test]
fn what_the_parties_may_say_at_most_fits() {
    let blocks = RollEntry::Conn(waiting());
    let answer = Message::Answer { id: 1, text: "x".repeat(MAX_ANSWER_BYTES), is_last: true };
    for message in [request(Request::Roll(vec![blocks; MAX_ENTRIES])), answer] {
        let packet = data(message);
        assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
    }
}

#[test]
fn what_is_out_of_bounds_is_refused() {
    let entries = vec![RollEntry::Conn(waiting()); MAX_ENTRIES + 1];
    let blocked = RollEntry::Blocks { user: user(1), blocked: vec![user(2); MAX_BLOCKS + 1] };
    let packets = [
        data(request(Request::Roll(entries))),
        data(request(Request::Roll(vec![blocked]))),
        data(Message::Question { id: 1, text: "x".repeat(MAX_ANSWER_BYTES + 1) }),
        Packet { to: None, ..packet(Body::Beat(beat())) },
        Packet { session: 0, ..packet(Body::Beat(beat())) },
        // A server that runs alone.
        data(request(Request::Disconnect { conn: crate::core::lobby::ConnId(7), is_lost: true })),
    ];
    for packet in packets {
        assert_eq!(Packet::decode(&packet.encode()), Err(DecodeError::Malformed), "{packet:?}");
    }
    let beat = packet(Body::Beat(beat())).encode();
    assert_eq!(Packet::decode(&[&*beat, b"x"].concat()), Err(DecodeError::Malformed));
    assert_eq!(Packet::decode(&beat[..beat.len() - 1]), Err(DecodeError::Malformed));
    assert_eq!(Packet::decode(&[]), Err(DecodeError::Malformed));
    assert_eq!(Packet::decode(&[2]), Err(DecodeError::Version(2)));
    assert_eq!(Packet::decode(&[1; MAX_PACKET_BYTES + 1]), Err(DecodeError::TooLong));
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_a_packet(bytes: Vec<u8>) {
        let bytes = [&[VERSION], &*bytes].concat();
        if let Ok(packet) = Packet::decode(&bytes) {
            prop_assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
        }
    }
}
