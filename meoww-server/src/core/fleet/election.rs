//! Which node matches.
//!
//! The matcher of the highest term leads. Once nothing is heard of it, or it says that it leads no
//! more, the lowest node that is there claims the next term. Two nodes may claim at once, as each
//! sees only whom it hears; then the higher term wins, and the other is over.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    NodeId, Term,
    link::{Link, SUSPECTED},
};

/// How long a node that has just come, or was left alone, listens before it claims a term whatever
/// others are there.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Clone)]
pub(super) struct Election {
    me: NodeId,
    promised: Option<Term>,
    /// When the matcher was last heard to lead, or its term began, or this node.
    led_at: Instant,
}

/// The state of the matcher of the present term, as far as it is known.
enum Leader {
    /// It was heard at this moment to lead.
    Leads(Instant),
    /// It says that it does not.
    Resigned,
    /// Nothing.
    Unknown,
}

impl Election {
    pub(super) fn new(me: NodeId, now: Instant) -> Self {
        Self { me, promised: None, led_at: now }
    }

    pub(super) fn promised(&self) -> Option<Term> {
        self.promised
    }

    /// Promises to follow a term; `false` unless it is higher than all before.
    pub(super) fn promise(&mut self, term: Term, now: Instant) -> bool {
        let is_higher = self.promised.is_none_or(|promised| promised < term);
        if is_higher {
            (self.promised, self.led_at) = (Some(term), now);
        }
        is_higher
    }

    /// This node stood still: it listens anew before it claims.
    pub(super) fn excuse(&mut self, now: Instant) {
        self.led_at = now;
    }

    /// Returns the term that this node is to lead from now on, if it is.
    pub(super) fn claim(
        &mut self,
        links: &BTreeMap<NodeId, Link>,
        is_leading: bool,
        is_draining: bool,
        now: Instant,
    ) -> Option<Term> {
        let has_resigned = match self.leader(links, is_leading, now) {
            Leader::Leads(at) => {
                self.led_at = self.led_at.max(at);
                false
            }
            Leader::Resigned => true,
            Leader::Unknown => false,
        };
        let waited = now.saturating_duration_since(self.led_at);
        if waited < SUSPECTED && !has_resigned {
            return None;
        }
        // A node that is about to go comes last.
        let others = links
            .iter()
            .filter(|(_, link)| link.is_alive(now))
            .map(|(node, link)| (link.last_beat.is_none_or(|beat| beat.is_draining), *node));
        if others.min().is_some_and(|other| other < (is_draining, self.me)) && waited < PATIENCE {
            return None;
        }
        let term = Term::after(self.promised, self.me);
        self.promise(term, now);
        Some(term)
    }

    fn leader(&self, links: &BTreeMap<NodeId, Link>, is_leading: bool, now: Instant) -> Leader {
        let Some(term) = self.promised else { return Leader::Unknown };
        if term.node == self.me {
            return if is_leading { Leader::Leads(now) } else { Leader::Unknown };
        }
        let link = links.get(&term.node).filter(|link| link.is_up());
        match link.and_then(|link| Some((link, link.last_beat?))) {
            Some((link, beat)) if beat.term == Some(term) => {
                if beat.leads {
                    Leader::Leads(link.heard_well_at())
                } else {
                    Leader::Resigned
                }
            }
            Some(_) | None => Leader::Unknown,
        }
    }
}
