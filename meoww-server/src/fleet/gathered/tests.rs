use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    config::Secret,
    core::fleet::{PacketNumber, RelayKind, RelayText},
    fleet::envelope::BusKey,
    testing::nats::Nats,
};

fn node(number: u32) -> NodeId {
    NodeId::new(number).expect("a node")
}

/// A relay.
fn packet(seq: u64, text: &str) -> Packet {
    let text = RelayText { kind: RelayKind::Offer, text: text.into() };
    let room = meoww_proto::RoomId::from_uuid(Uuid::nil());
    let message = Message::Relay { from: node(1).conn(1), to: node(2).conn(1), room, text };
    packet_with(seq, message)
}

fn packet_with(seq: u64, message: Message) -> Packet {
    let body = Body::Data { seq, message };
    let number = PacketNumber(seq + 1);
    Packet { from: node(1), to: Some(node(2)), session: 1, peer_session: 1, number, ack: 0, body }
}

/// The way from the first node to the second, and the messages that arrive there.
struct Way {
    _nats: Nats,
    outgoing: Outgoing,
    incoming: super::super::bus::Incoming,
    _second: Bus,
}

impl Way {
    async fn new() -> Self {
        let nats = Nats::start_with(&[]).await;
        let key = BusKey::derive(&[1; 32], &[0; 32], Uuid::nil());
        let join = async |number| {
            let url = Secret::new(nats.url());
            Bus::connect(&url, key.clone(), node(number)).await.expect("joined")
        };
        let ((bus, _), (second, mut incoming)) = (join(1).await, join(2).await);
        // Until the server knows of the subscription.
        loop {
            bus.send(Some(node(2)), b"hello");
            let patience = Duration::from_millis(50);
            if tokio::time::timeout(patience, incoming.recv()).await.is_ok() {
                break;
            }
        }
        Self { _nats: nats, outgoing: Outgoing::new(bus), incoming, _second: second }
    }

    /// The packets of the next message.
    async fn next(&mut self) -> Vec<u64> {
        loop {
            let body = self.incoming.recv().await.expect("the bus is there");
            if body == "hello" {
                continue;
            }
            let packets = Gathered::of(body).map(|bytes| Packet::decode(&bytes).expect("a packet"));
            return packets.map(|packet| packet.number.0 - 1).collect();
        }
    }
}

#[tokio::test]
async fn packets_share_messages_beyond_a_thousand_a_second() {
    let mut way = Way::new().await;
    let start = crate::clock::instant();
    for seq in 0..50 {
        way.outgoing.send(&packet(seq, ""), start);
    }
    // The first and twenty milliseconds ahead; the others at the next millisecond.
    for seq in 0..=20 {
        assert_eq!(way.next().await, [seq]);
    }
    let due = start + Duration::from_millis(1);
    assert_eq!(way.outgoing.poll_timeout(), Some(due));
    way.outgoing.flush(start);
    way.outgoing.flush(due);
    assert_eq!(way.next().await, (21..50).collect::<Vec<_>>());
    assert_eq!(way.outgoing.poll_timeout(), None);
    // One each two milliseconds never waits.
    for n in 0..100 {
        let now = due + Duration::from_millis(30 + 2 * n);
        way.outgoing.send(&packet(50 + n, ""), now);
        assert_eq!(way.next().await, [50 + n]);
    }
    // A packet that is no relay takes along those that wait, however many there were.
    let start = due + Duration::from_millis(500);
    for seq in 200..300 {
        let question = Message::Question { id: seq, text: String::new() };
        way.outgoing.send(&packet_with(seq, question), start);
        assert_eq!(way.next().await, [seq]);
    }
    way.outgoing.send(&packet(300, ""), start);
    assert_eq!(way.outgoing.poll_timeout(), Some(start + Duration::from_millis(1)));
    let question = Message::Question { id: 301, text: String::new() };
    way.outgoing.send(&packet_with(301, question), start);
    assert_eq!(way.next().await, [300, 301]);
    way.outgoing.flush(start + Duration::from_secs(1));
    assert!(way.outgoing.nodes.is_empty(), "a node that is gone takes no room");
}

#[tokio::test]
async fn long_packets_do_not_wait_for_more_than_a_message_holds() {
    let mut way = Way::new().await;
    let start = crate::clock::instant();
    let text = "x".repeat(40_000);
    for seq in 0..40 {
        way.outgoing.send(&packet(seq, &text), start);
    }
    for seq in 0..=20 {
        assert_eq!(way.next().await, [seq]);
    }
    assert_eq!(way.next().await, [21, 22], "80 kB, and no more may wait than 64 KiB");
}

proptest! {
    #[test]
    fn what_was_put_together_comes_apart(
        packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..9),
        cut in any::<prop::sample::Index>(),
    ) {
        let body = packets.iter().fold(Vec::new(), |body, packet| prefixed(body, packet));
        let whole: Vec<_> = Gathered::of(body.clone().into()).collect();
        prop_assert_eq!(&whole, &packets);
        let end = cut.index(body.len() + 1);
        let part = Bytes::from(body).slice(..end);
        prop_assert!(Gathered::of(part).zip(&packets).all(|(found, packet)| found == *packet));
    }

    #[test]
    fn any_bytes_come_apart(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let length = bytes.len();
        let found: usize = Gathered::of(bytes.into()).map(|packet| packet.len() + PREFIX).sum();
        prop_assert!(found <= length);
    }
}
