//! The matcher of a node: when this node follows another's term, leads, resigns, and tells its roll.

use std::time::Instant;

use rand::Rng;

use super::{Context, Fleet, MAX_LAG};
use crate::core::fleet::{
    NodeId, Term,
    election::{Candidate, reach},
    link::Link,
    matcher::Matcher,
};

impl Fleet {
    /// After a standstill of its own, a node does not count that time as silence of others, and a
    /// matcher resigns, as its knowledge is old.
    pub(super) fn note_lag(&mut self, now: Instant) {
        let lag = now.saturating_duration_since(self.handled_at);
        self.handled_at = now;
        if lag > MAX_LAG {
            self.resign(now);
            self.election.excuse(now);
            for link in self.links.values_mut() {
                link.excuse(now);
            }
        }
    }

    /// Follows a term if it is the highest so far.
    pub(super) fn promise(&mut self, term: Term, now: Instant) {
        if self.election.promise(term, now) {
            self.has_rolled = false;
            if term.node != self.me {
                self.resign(now);
            }
        }
    }

    /// Gives up the lead. Until the next term begins, the hub has no matcher.
    pub(super) fn resign(&mut self, now: Instant) {
        if let Some(matcher) = self.matcher.take() {
            self.has_rolled = false;
            self.keep_places_of(&matcher, now);
        }
    }

    pub(super) fn has_successor(&self, now: Instant) -> bool {
        let is_able = |link: &Link| link.last_beat.is_some_and(|beat| !beat.is_draining);
        self.links.values().any(|link| link.is_alive(now) && is_able(link))
    }

    pub(super) fn elect(&mut self, context: &mut Context<'_, impl Rng>) {
        let now = context.now;
        let me =
            Candidate { is_leading: self.matcher.is_some(), is_draining: self.hub.is_draining() };
        if let Some(term) = self.election.claim(&self.links, me, now) {
            let alive = self.links.iter().filter(|(_, link)| link.is_alive(now));
            let nodes: Vec<NodeId> = alive.map(|(node, _)| *node).chain([self.me]).collect();
            self.matcher = Some(Matcher::new(term, nodes.iter().copied(), self.is_paced));
            self.has_rolled = false;
            for node in nodes {
                self.beat_now(node, context);
            }
        }
    }

    /// Gives a sign of life, if this node leads.
    pub(super) fn pulse(&mut self, now: Instant) {
        if self.matcher.is_some() {
            self.election.beat(reach(&self.links, now), now);
        }
    }

    /// Sends the roll to the matcher of the present term, once for each session of their link.
    pub(super) fn tell_roll(&mut self, context: &mut Context<'_, impl Rng>) {
        let Some(term) = self.term().filter(|_| !self.has_rolled) else { return };
        let is_there = match self.links.get(&term.node) {
            Some(link) => link.is_up(),
            None => term.node == self.me && self.matcher.is_some(),
        };
        if is_there {
            self.has_rolled = true;
            let copies = self.kept.entries(self.me, term.node, context.now);
            for request in self.hub.roll(copies, context.now) {
                self.request(request, context);
            }
        }
    }
}
