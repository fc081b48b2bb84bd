//! A matcher takes over rolls that contradict each other, or of which some come late.

use std::time::{Duration, Instant};

use meoww_proto::{RoomId, UserId};
use rand::{SeedableRng, rngs::SmallRng};
use uuid::Uuid;

use super::world::user;
use crate::core::{
    fleet::{
        BlockPart, ConnReport, NodeId, Order, RelayKind, RelayText, Request, RollEntry, RollSeat,
        Term,
        hub_side::{HubSide, Out},
        matcher::{Matcher, Step},
    },
    lobby::{self, ConnId, SearchCriteria},
};

/// A new matcher on the first of four nodes, and its orders.
struct Begun {
    matcher: Matcher,
    now: Instant,
    rng: SmallRng,
    orders: Vec<(NodeId, Order)>,
}

impl Begun {
    fn new() -> Self {
        let term = Term::after(None, node(1));
        Self {
            matcher: Matcher::new(term, [1, 2, 3, 4].map(node), true),
            now: Instant::now() + Duration::from_secs(3600),
            rng: SmallRng::seed_from_u64(1),
            orders: Vec::new(),
        }
    }

    fn handle(&mut self, from: u32, requests: impl IntoIterator<Item = Request>) {
        let Self { matcher, now, rng, orders } = self;
        for request in requests {
            matcher.handle(node(from), request, &mut Step { now: *now, rng, orders });
        }
    }

    fn roll(&mut self, from: u32, entries: Vec<RollEntry>) {
        self.handle(from, [Request::RollBegin, Request::Roll(entries), Request::RollEnd]);
    }

    fn lose(&mut self, lost: u32) {
        let Self { matcher, now, rng, orders } = self;
        matcher.lose_node(node(lost), &mut Step { now: *now, rng, orders });
    }

    /// The connections for which a room is over or has not begun.
    fn ended(&self) -> Vec<(ConnId, RoomId)> {
        let ended = self.orders.iter().filter_map(|(_, order)| match order {
            Order::RoomOver { conn, room } | Order::Undo { conn, room, .. } => Some((*conn, *room)),
            _ => None,
        });
        ended.collect()
    }
}

fn node(id: u32) -> NodeId {
    NodeId::new(id).expect("a node")
}

fn room(name: u128) -> RoomId {
    RoomId::from_uuid(Uuid::from_u128(name))
}

fn connection(conn: ConnId, user: UserId, seat: RollSeat) -> RollEntry {
    let criteria = SearchCriteria::default();
    RollEntry::Conn(ConnReport { conn, user, attempt: 1, criteria, seat })
}

fn seated(name: u128, partner: ConnId, stranger: UserId, age_ms: u32) -> RollSeat {
    RollSeat::Seated {
        room: room(name),
        partner: Some(partner),
        stranger,
        age_ms,
        partner_left_ms: None,
        is_open: true,
        is_initiator: false,
    }
}

/// Two nodes have connections of a user, of which one waits for its room. The other node is gone before
/// the last has told its roll.
#[test]
fn blocks_of_a_connection_that_waits_for_its_room_are_kept() {
    let part = BlockPart { user: user(1), version: 1, blocked: vec![user(2)], is_last: true };
    let mut begun = Begun::new();
    begun.roll(1, vec![]);
    for (from, seat) in [(2, RollSeat::Idle), (3, RollSeat::Resuming { room: room(1) })] {
        let blocks = RollEntry::Blocks(part.clone());
        begun.roll(from, vec![connection(node(from).conn(1), user(1), seat), blocks]);
    }
    begun.lose(2);
    begun.roll(4, vec![]);
    assert!(begun.matcher.has_begun());
    assert_eq!(begun.matcher.blocks_of(user(1)), [user(2)].into());
}

/// The second user was at the third node in an earlier room, which that node did not hear was over.
#[test]
fn a_user_in_two_rooms_has_gone_on_to_the_later() {
    let [first, second, third, older] =
        [node(2).conn(1), node(3).conn(1), node(4).conn(1), node(4).conn(2)];
    let earlier = vec![
        connection(third, user(3), seated(1, older, user(2), 20_000)),
        connection(older, user(2), seated(1, third, user(3), 20_000)),
    ];
    let later = [
        (2, vec![connection(first, user(1), seated(2, second, user(2), 500))]),
        (3, vec![connection(second, user(2), seated(2, first, user(1), 500))]),
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut begun = Begun::new();
        begun.roll(1, vec![]);
        let rolls = [later[0].clone(), later[1].clone(), (4, earlier.clone())];
        for at in order {
            let (from, entries) = rolls[at].clone();
            begun.roll(from, entries);
        }
        assert!(begun.matcher.has_begun());
        let mut ended = begun.ended();
        ended.sort_unstable();
        assert_eq!(ended, [(third, room(1)), (older, room(1))], "in the order {order:?}");
    }
}

/// Its partner, whose node the matcher does not hear, is in the room.
#[test]
fn a_room_that_begins_after_the_roll_goes_on() {
    let (conn, partner) = (node(2).conn(1), node(9).conn(1));
    let RollSeat::Seated { room, partner, stranger, age_ms, .. } = seated(1, partner, user(2), 0)
    else {
        unreachable!()
    };
    let held = RollSeat::Seated {
        room,
        partner,
        stranger,
        age_ms,
        partner_left_ms: None,
        is_open: false,
        is_initiator: true,
    };
    for is_opened in [false, true] {
        let mut begun = Begun::new();
        begun.roll(1, vec![]);
        begun.roll(2, vec![connection(conn, user(1), held)]);
        begun.handle(2, is_opened.then_some(Request::Opened { conn, room }));
        begun.roll(3, vec![]);
        begun.roll(4, vec![]);
        assert_eq!(begun.ended().is_empty(), is_opened, "{:?}", begun.orders);
        if !is_opened {
            // Too late: the hub hears that it is over as well.
            begun.orders.clear();
            begun.handle(2, [Request::Opened { conn, room }]);
            assert_eq!(begun.ended(), [(conn, room)]);
        }
    }
}

/// A partner who is in the room already may be heard before the matcher.
#[test]
fn a_hub_reports_a_room_that_begins_without_an_order() {
    let now = Instant::now();
    let (conn, partner) = (node(2).conn(1), node(3).conn(1));
    let room = room(1);
    let (mut hub, mut requests, mut effects) = (HubSide::default(), Vec::new(), Vec::new());
    let out = &mut Out { now, requests: &mut requests, effects: &mut effects };
    hub.handle(lobby::Input::Connect { conn, user: user(1), resume: None }, out);
    hub.handle(lobby::Input::Search(conn, SearchCriteria::default()), out);
    let (stranger, is_initiator) = (user(2), false);
    hub.obey(Order::Hold { conn, attempt: 1, room, partner, stranger, is_initiator }, out);
    out.requests.clear();
    for _ in 0..2 {
        let text = RelayText { kind: RelayKind::Chat, text: "hello".into() };
        assert_eq!(hub.relayed([partner, conn], room, text, out), None);
    }
    assert_eq!(requests, [Request::Opened { conn, room }]);
}
