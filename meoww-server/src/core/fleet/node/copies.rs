//! Copies of the state that only the node that matches has: rooms whose members are both there, the
//! places in the queue of those who wait there, and places kept for users who may come back. Another
//! node keeps copies, and tells them to the next matcher. The users go on at other nodes.
//!
//! A copy of a room is sent before a member is told of the room. As changes of seats may be missed,
//! all copies are compared with the seats at each check of partners. Places are sent with that check,
//! so that a user whose place is lost has not waited for longer, and when a node resigns the lead,
//! which also keeps them itself: it may be gone before it has told its roll.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use meoww_proto::{RoomId, UserId};
use rand::Rng;

use super::{Context, Effect, Fleet};
use crate::core::{
    fleet::{
        CopyChange, MAX_ENTRIES, Message, NodeId, PlaceCopy, RollEntry, RoomCopy, link::Link,
        matcher::Matcher, message::millis,
    },
    lobby::{self, ConnId, KeptPlace, SEAT_LEASE},
    unordered::Map,
};

/// Places that are kept for one node.
const MAX_PLACES: usize = 100_000;

/// The state of this node that another keeps copies of.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct OwnCopies {
    /// The node that keeps them, while this one leads and there is another.
    keeper: Option<NodeId>,
    rooms: BTreeSet<RoomId>,
    /// Whether it has places.
    has_places: bool,
}

/// The copies that this node keeps for others.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct KeptCopies(BTreeMap<NodeId, Kept>);

#[derive(Debug, Clone, Default, Hash)]
struct Kept {
    members: Map<RoomId, [UserId; 2]>,
    places: Vec<KeptPlace>,
    /// When all is forgotten, since the node is lost.
    until: Option<Instant>,
}

impl KeptCopies {
    pub(super) fn change(&mut self, from: NodeId, change: CopyChange, now: Instant) {
        match change {
            CopyChange::Clear => {
                if let Some(kept) = self.0.get_mut(&from) {
                    kept.members = Map::default();
                }
            }
            CopyChange::Keep(copies) => {
                let kept = self.of_this_session(from);
                kept.members.extend(copies.iter().map(|copy| (copy.room, copy.members)));
            }
            CopyChange::Drop(rooms) => {
                if let Some(kept) = self.0.get_mut(&from) {
                    for room in &rooms {
                        kept.members.remove(room);
                    }
                }
            }
            CopyChange::Places { is_first, places } => {
                let kept = self.of_this_session(from);
                if is_first {
                    kept.places.clear();
                }
                let left = MAX_PLACES.saturating_sub(kept.places.len());
                kept.places.extend(places.iter().take(left).map(|place| place.place(now)));
            }
        }
    }

    fn of_this_session(&mut self, node: NodeId) -> &mut Kept {
        let kept = self.0.entry(node).or_default();
        if kept.until.is_some() {
            // Of a session before: the node tells everything anew.
            *kept = Kept::default();
        }
        kept
    }

    /// Keeps places of this node, which matches no longer, for the next matcher.
    fn keep_own(&mut self, me: NodeId, places: Vec<KeptPlace>, now: Instant) {
        let until = Some(now + SEAT_LEASE);
        self.0.insert(me, Kept { members: Map::default(), places, until });
    }

    /// Keeps the copies of a lost node for as long as the seats of its users.
    pub(super) fn lose(&mut self, node: NodeId, now: Instant) {
        if let Some(kept) = self.0.get_mut(&node) {
            kept.until.get_or_insert(now + SEAT_LEASE);
        }
    }

    pub(super) fn forget_old(&mut self, now: Instant) {
        self.0.retain(|_, kept| kept.until.is_none_or(|until| until > now));
    }

    /// Returns them as entries of the roll of this node for a matcher, which knows what is its own.
    pub(super) fn entries(&self, me: NodeId, matcher: NodeId, now: Instant) -> Vec<RollEntry> {
        let others = self.0.iter().filter(|(node, _)| **node != matcher || **node == me);
        let places = others.clone().flat_map(|(_, kept)| &kept.places);
        let places = places.filter(|place| place.until > now);
        let places = places.map(|place| RollEntry::Place(PlaceCopy::new(place, now)));
        let entries = others.flat_map(|(_, kept)| {
            let left_ms = millis(kept.until.unwrap_or(now + SEAT_LEASE), now);
            let copies = kept.members.iter();
            copies.map(move |(room, members)| RollEntry::Copy {
                copy: RoomCopy { room: *room, members: *members },
                left_ms,
            })
        });
        let mut entries: Vec<RollEntry> = entries.collect();
        entries.sort_unstable_by_key(|entry| match entry {
            RollEntry::Copy { copy, .. } => Some(copy.room),
            _ => None,
        });
        entries.extend(places);
        entries
    }
}

impl Fleet {
    /// Finds another keeper if there is none, and has it keep copies of all rooms.
    pub(super) fn choose_keeper(&mut self, context: &mut Context<'_, impl Rng>) {
        let before = self.copies.keeper;
        let stays = |keeper: &NodeId| self.links.get(keeper).is_some_and(|link| !is_leaving(link));
        let keeper = match before.filter(stays) {
            _ if self.matcher.is_none() => None,
            Some(keeper) => Some(keeper),
            None => self.next_keeper(context.now),
        };
        if keeper == before {
            return;
        }
        if let Some(before) = before.filter(|_| !self.copies.rooms.is_empty()) {
            self.send(before, Message::Copies(CopyChange::Clear), context);
        }
        self.copies = OwnCopies { keeper, ..OwnCopies::default() };
        self.compare_copies(context);
    }

    /// Returns the first node that is not about to go, or else any.
    fn next_keeper(&self, now: Instant) -> Option<NodeId> {
        let alive = self.links.iter().filter(|(_, link)| link.is_alive(now));
        alive.min_by_key(|(node, link)| (is_leaving(link), **node)).map(|(node, _)| *node)
    }

    pub(super) fn lose_keeper(&mut self, node: NodeId) {
        if self.copies.keeper == Some(node) {
            self.copies = OwnCopies::default();
        }
    }

    /// Brings the copies to the rooms there are.
    pub(super) fn compare_copies(&mut self, context: &mut Context<'_, impl Rng>) {
        if self.copies.keeper.is_none() {
            return;
        }
        let rooms = self.hub.rooms_of_this_node();
        let over = self.copies.rooms.iter().filter(|room| !rooms.contains_key(room));
        let over: Vec<RoomId> = over.copied().collect();
        let new = rooms.into_values().filter(|copy| !self.copies.rooms.contains(&copy.room));
        let new: Vec<RoomCopy> = new.collect();
        self.send_copies(&new, &over, context);
        self.send_places(context);
    }

    /// Sends copies of the rooms that effects of the hub begin or move, and takes back others.
    pub(super) fn copy_changed(&mut self, first: usize, context: &mut Context<'_, impl Rng>) {
        if self.copies.keeper.is_none() {
            return;
        }
        let (mut new, mut over) = (Vec::new(), Vec::new());
        for (conn, room) in context.effects[first..].iter().filter_map(changed_room) {
            let copy = self.hub.room_of_this_node(conn).filter(|copy| copy.room == room);
            let is_copied = self.copies.rooms.contains(&room);
            match copy {
                Some(copy) if !is_copied => new.push(copy),
                None if is_copied => over.push(room),
                Some(_) | None => {}
            }
        }
        self.send_copies(&new, &over, context);
    }

    fn send_copies(
        &mut self,
        new: &[RoomCopy],
        over: &[RoomId],
        context: &mut Context<'_, impl Rng>,
    ) {
        let Some(keeper) = self.copies.keeper else { return };
        self.copies.rooms.extend(new.iter().map(|copy| copy.room));
        for room in over {
            self.copies.rooms.remove(room);
        }
        let keep = new.chunks(MAX_ENTRIES).map(|part| CopyChange::Keep(part.to_vec()));
        let drop = over.chunks(MAX_ENTRIES).map(|part| CopyChange::Drop(part.to_vec()));
        for change in keep.chain(drop) {
            self.send(keeper, Message::Copies(change), context);
        }
    }

    pub(super) fn send_places(&mut self, context: &mut Context<'_, impl Rng>) {
        let (Some(keeper), Some(matcher)) = (self.copies.keeper, &self.matcher) else { return };
        let now = context.now;
        let places = self.hub.places(now).chain(matcher.kept_places(now));
        let mut places: Vec<PlaceCopy> = places.map(|place| PlaceCopy::new(&place, now)).collect();
        places.sort_unstable_by_key(|place| place.conn);
        let had_places = std::mem::replace(&mut self.copies.has_places, !places.is_empty());
        if places.is_empty() && had_places {
            let none = CopyChange::Places { is_first: true, places };
            return self.send(keeper, Message::Copies(none), context);
        }
        for (n, part) in places.chunks(MAX_ENTRIES).enumerate() {
            let change = CopyChange::Places { is_first: n == 0, places: part.to_vec() };
            self.send(keeper, Message::Copies(change), context);
        }
    }

    /// Keeps the places of a matcher that resigns.
    pub(super) fn keep_places_of(&mut self, matcher: &Matcher, now: Instant) {
        self.kept.keep_own(self.me, matcher.kept_places(now).collect(), now);
    }
}

fn is_leaving(link: &Link) -> bool {
    link.last_beat.is_none_or(|beat| beat.is_draining)
}

/// Returns the connection and the room of an effect that changes who is in the room, or where.
fn changed_room(effect: &Effect) -> Option<(ConnId, RoomId)> {
    match effect {
        Effect::Lobby(
            lobby::Effect::Matched { conn, room, .. }
            | lobby::Effect::PartnerMoved { conn, room, .. }
            | lobby::Effect::RoomOver { conn, room },
        ) => Some((*conn, *room)),
        Effect::Lobby(lobby::Effect::Welcome { conn, resumed, .. }) => {
            resumed.map(|resumed| (*conn, resumed.room))
        }
        Effect::Lobby(_)
        | Effect::Send(_)
        | Effect::Relay { .. }
        | Effect::PartnerAway { .. }
        | Effect::Received(..) => None,
    }
}
