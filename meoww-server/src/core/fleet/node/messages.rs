//! Messages of a node: from the hub to the matcher and back, of partners, and of operators.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rand::Rng;

use super::{Context, Effect, Fleet};
use crate::core::{
    fleet::{
        MAX_ENTRIES, Message, NodeId, Request, SharedRoom,
        hub_side::{HubSide, Out},
        link::Link,
        matcher::{Matcher, Step},
    },
    lobby::ConnId,
};

/// Interval of the check of partners: a room without a partner ends within three seconds.
const PARTNER_CHECK: Duration = Duration::from_secs(2);

impl Fleet {
    pub(super) fn take(
        &mut self,
        from: NodeId,
        message: Message,
        context: &mut Context<'_, impl Rng>,
    ) {
        if let Some(node) = message.recipient().and_then(ConnId::node).filter(|it| *it != self.me) {
            // The two nodes do not hear each other, and this one hears both.
            return self.send(node, message, context);
        }
        match message {
            Message::Request(term, request) => {
                self.promise(term, context.now);
                self.match_step(context, |matcher, step| {
                    if matcher.term == term {
                        matcher.handle(from, request, step);
                    }
                });
            }
            Message::Order(term, order) => {
                self.promise(term, context.now);
                // An order that does not rest on the roll of this session is of an earlier one.
                if self.term() == Some(term) && self.has_rolled {
                    self.hub_step(context, |hub, out| hub.obey(order, out));
                }
            }
            Message::Relay { from: sender, to, room, text } => {
                let mut answer = None;
                self.hub_step(context, |hub, out| {
                    answer = hub.relayed([sender, to], room, text, out);
                });
                if let Some(answer) = answer {
                    self.send_to_conn(sender, answer, context);
                }
            }
            Message::Shared(rooms) => {
                let mut missing = Vec::new();
                self.hub_step(context, |hub, out| missing = hub.missing_partners(&rooms, out));
                for SharedRoom { conn, room, partner } in missing {
                    let answer = Message::NotHere { conn, room, partner };
                    self.send_to_conn(conn, answer, context);
                }
            }
            Message::NotHere { conn, room, partner } => {
                self.hub_step(context, |hub, out| hub.doubt(conn, room, partner, out));
            }
            Message::Copies(change) => self.kept.change(from, change, context.now),
            message @ (Message::Revoked(_) | Message::Question { .. } | Message::Answer { .. }) => {
                context.effects.push(Effect::Received(from, message))
            }
        }
    }

    pub(super) fn hub_step<R: Rng>(
        &mut self,
        context: &mut Context<'_, R>,
        act: impl FnOnce(&mut HubSide, &mut Out<'_>),
    ) {
        let (mut requests, first) = (Vec::new(), context.effects.len());
        let out = &mut Out { now: context.now, requests: &mut requests, effects: context.effects };
        act(&mut self.hub, out);
        self.copy_changed(first, context);
        for request in requests {
            self.request(request, context);
        }
    }

    /// Sends a request to the matcher. Without a roll sent so far, the roll will include it.
    pub(super) fn request(&mut self, request: Request, context: &mut Context<'_, impl Rng>) {
        if let Some(term) = self.term().filter(|_| self.has_rolled) {
            self.send(term.node, Message::Request(term, request), context);
        }
    }

    /// Sends a message to the node of a connection, over the node of the matcher if the two nodes do
    /// not hear each other.
    pub(super) fn send_to_conn(
        &mut self,
        conn: ConnId,
        message: Message,
        context: &mut Context<'_, impl Rng>,
    ) {
        let ways = [conn.node(), self.term().map(|term| term.node)];
        let is_open = |node: &NodeId| self.links.get(node).is_some_and(Link::is_up);
        let way = match conn.node() {
            Some(node) if node == self.me => Some(node),
            _ => ways.into_iter().flatten().find(is_open),
        };
        if let Some(node) = way {
            self.send(node, message, context);
        }
    }

    /// Tells connections whose partners messages do not reach any more, or reach again.
    pub(super) fn check_ways(&mut self, context: &mut Context<'_, impl Rng>) {
        let up = self.links.iter().filter(|(_, link)| link.is_up()).map(|(node, _)| *node);
        let up: BTreeSet<NodeId> = up.chain([self.me]).collect();
        let leader = self.term().map(|term| term.node).filter(|node| *node != self.me);
        let is_passed_on = leader.is_some_and(|node| up.contains(&node));
        let reaches = |node| is_passed_on || up.contains(&node);
        self.hub_step(context, |hub, out| hub.check_ways(reaches, out));
    }

    /// Asks the nodes of all partners whether they are in the rooms in which this node believes them.
    pub(super) fn check_partners(&mut self, context: &mut Context<'_, impl Rng>) {
        if context.now < self.check_at {
            return;
        }
        self.check_at = context.now + PARTNER_CHECK;
        self.compare_copies(context);
        let mut shared: BTreeMap<NodeId, Vec<SharedRoom>> = BTreeMap::new();
        for room in self.hub.shared_rooms(context.now) {
            if let Some(node) = room.partner.node() {
                shared.entry(node).or_default().push(room);
            }
        }
        for (node, rooms) in shared {
            for rooms in rooms.chunks(MAX_ENTRIES) {
                self.send(node, Message::Shared(rooms.to_vec()), context);
            }
        }
    }

    pub(super) fn match_step<R: Rng>(
        &mut self,
        context: &mut Context<'_, R>,
        act: impl FnOnce(&mut Matcher, &mut Step<'_, R>),
    ) {
        let Some(matcher) = &mut self.matcher else { return };
        let (term, mut orders) = (matcher.term, Vec::new());
        act(matcher, &mut Step { now: context.now, rng: context.rng, orders: &mut orders });
        for (node, order) in orders {
            self.send(node, Message::Order(term, order), context);
        }
    }

    /// Takes the messages of this node to itself.
    pub(super) fn work_off(&mut self, context: &mut Context<'_, impl Rng>) {
        while let Some(message) = self.own.pop_front() {
            self.take(self.me, message, context);
        }
    }
}
