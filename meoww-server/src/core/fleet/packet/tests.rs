use meoww_proto::{RoomId, UserId, tags::MAX_TAG_WAIT};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::core::{
    fleet::{
        BlockPart, ConnReport, CopyChange, MAX_ANSWER_BYTES, MAX_BLOCKS, MAX_ENTRIES, RelayKind,
        RelayText, Request, RollEntry, RollSeat, RoomCopy,
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
    Packet {
        from: node(1),
        to: Some(node(0xff_ffff)),
        session: 3,
        peer_session: 0,
        number: PacketNumber(5),
        ack: 9,
        body,
    }
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

fn copy() -> RoomCopy {
    RoomCopy { room: room(), members: [user(1), user(2)] }
}

fn beat() -> Beat {
    Beat {
        term: None,
        leads: false,
        is_draining: true,
        hears_you: true,
        reach: 3,
        pulse: Pulse { count: 7, reach: 2 },
        presence: None,
    }
}

fn blocks(count: usize) -> BlockPart {
    let blocked = vec![user(0xff); count];
    BlockPart { user: user(0xff), version: u64::MAX, blocked, is_last: false }
}

#[test]
fn a_packet_is_the_same_after_the_way() {
    let text = RelayText { kind: RelayKind::Chat, text: "meow".into() };
    let (from, to) = (node(1).conn(5), node(2).conn(6));
    let blocks = RollEntry::Blocks(blocks(MAX_BLOCKS));
    let packets = [
        Packet { to: None, ..packet(Body::Hello) },
        packet(Body::Beat(beat())),
        data(Message::Relay { from, to, room: room(), text }),
        data(request(Request::Roll(vec![blocks, RollEntry::Conn(waiting())]))),
        data(Message::Copies(CopyChange::Keep(vec![copy()]))),
    ];
    for packet in packets {
        assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
    }
}

#[test]
fn what_the_parties_may_say_at_most_fits() {
    let entries = [RollEntry::Conn(waiting()), RollEntry::Blocks(blocks(MAX_BLOCKS))];
    let rolls = entries.map(|entry| request(Request::Roll(vec![entry; MAX_ENTRIES])));
    let answer = Message::Answer { id: 1, text: "x".repeat(MAX_ANSWER_BYTES) };
    for message in rolls.into_iter().chain([answer]) {
        let packet = data(message);
        assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
    }
}

#[test]
fn what_is_out_of_bounds_is_refused() {
    let entries = vec![RollEntry::Conn(waiting()); MAX_ENTRIES + 1];
    let blocked = RollEntry::Blocks(blocks(MAX_BLOCKS + 1));
    let packets = [
        data(request(Request::Roll(entries))),
        data(request(Request::Roll(vec![blocked]))),
        data(request(Request::Blocks(blocks(MAX_BLOCKS + 1)))),
        data(Message::Copies(CopyChange::Keep(vec![copy(); MAX_ENTRIES + 1]))),
        data(Message::Copies(CopyChange::Drop(vec![room(); MAX_ENTRIES + 1]))),
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
    assert_eq!(Packet::decode(&[1]), Err(DecodeError::Version(1)));
    assert_eq!(Packet::decode(&[VERSION; MAX_PACKET_BYTES + 1]), Err(DecodeError::TooLong));
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
