//! The election of the node that matches.
//!
//! The matcher of the highest term leads. Once no sign of life of it is heard from any node, the lowest
//! live node claims the next term; once it resigns, the lowest of the others. Two nodes may claim at
//! once, as each sees only the nodes that it hears; then the higher term wins.
//!
//! Where nodes do not all hear each other, a matcher that some do not hear stays as long as others hear
//! it, or the two sides would take the lead from each other without end. A node that hears more nodes
//! than the matcher takes over, so each change serves more nodes than before. A node that still does not
//! hear the matcher has its turn every [`LEFT_OUT`]: its users are matched, and their rooms are not given
//! up as those of a lost node.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    Beat, NodeId, Pulse, Term,
    link::{Link, SUSPECTED},
};

/// How long a node without a matcher listens before it claims a term even if a lower node is there.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a node listens before it claims a term although others hear the matcher. Shorter than the
/// lease of a seat.
const LEFT_OUT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Hash)]
pub(super) struct Election {
    me: NodeId,
    promised: Option<Term>,
    /// When the matcher was last heard to lead, or its term began, or this node.
    led_at: Instant,
    /// The newest sign of life of the matcher.
    pulse: Pulse,
    /// When it was heard, from any node, or the term began.
    pulsed_at: Instant,
    /// Since when this node hears more nodes than the matcher and any other candidate.
    outreach_since: Option<Instant>,
}

/// The state of the matcher of the present term.
enum Leader {
    /// It leads, as it said at this moment.
    Leads(Instant),
    /// It says that it does not lead.
    Resigned,
    /// Nothing is known of it.
    Unknown,
}

/// This node as a candidate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) is_leading: bool,
    pub(super) is_draining: bool,
}

impl Election {
    pub(super) fn new(me: NodeId, now: Instant) -> Self {
        Self {
            me,
            promised: None,
            led_at: now,
            pulse: Pulse::default(),
            pulsed_at: now,
            outreach_since: None,
        }
    }

    pub(super) fn promised(&self) -> Option<Term> {
        self.promised
    }

    pub(super) fn pulse(&self) -> Pulse {
        self.pulse
    }

    /// Promises to follow a term; `false` unless it is higher than all before.
    pub(super) fn promise(&mut self, term: Term, now: Instant) -> bool {
        let is_higher = self.promised.is_none_or(|promised| promised < term);
        if is_higher {
            *self = Self { promised: Some(term), ..Self::new(self.me, now) };
        }
        is_higher
    }

    /// Listens anew before the next claim, after a standstill of this node.
    pub(super) fn excuse(&mut self, now: Instant) {
        (self.led_at, self.pulsed_at, self.outreach_since) = (now, now, None);
    }

    /// Takes the sign of life of the matcher that a beat passes on, if it is new.
    pub(super) fn hear(&mut self, beat: &Beat, now: Instant) {
        if beat.term == self.promised && beat.pulse.count > self.pulse.count {
            (self.pulse, self.pulsed_at) = (beat.pulse, now);
        }
    }

    /// Gives a sign of life as the matcher.
    pub(super) fn beat(&mut self, reach: u32, now: Instant) {
        self.pulse = Pulse { count: self.pulse.count.saturating_add(1), reach };
        self.pulsed_at = now;
    }

    /// Returns the term that this node leads from now on, if it claims one.
    pub(super) fn claim(
        &mut self,
        links: &BTreeMap<NodeId, Link>,
        me: Candidate,
        now: Instant,
    ) -> Option<Term> {
        let has_resigned = match self.leader(links, me.is_leading, now) {
            Leader::Leads(at) => {
                self.led_at = self.led_at.max(at);
                false
            }
            Leader::Resigned => true,
            Leader::Unknown => false,
        };
        let since = |at: Instant| now.saturating_duration_since(at);
        let waited = since(self.led_at.max(self.pulsed_at));
        let may_claim = if has_resigned || waited >= SUSPECTED {
            self.is_first(links, me, now) || waited >= PATIENCE
        } else {
            let outreaches = self.outreaches(links, me, now);
            self.outreach_since = outreaches.then(|| self.outreach_since.unwrap_or(now));
            self.outreach_since.is_some_and(|at| since(at) >= SUSPECTED)
                || since(self.led_at) >= LEFT_OUT
        };
        if !may_claim {
            return None;
        }
        let term = Term::after(self.promised, self.me);
        self.promise(term, now);
        Some(term)
    }

    /// Returns whether this node is the lowest one alive. One that has resigned the present term comes
    /// after the others, as it listens before it claims another; those that are draining come last.
    fn is_first(&self, links: &BTreeMap<NodeId, Link>, me: Candidate, now: Instant) -> bool {
        let others = alive(links, now).map(|(node, link)| {
            let is_draining = link.last_beat.is_none_or(|beat| beat.is_draining);
            (is_draining, self.has_resigned(node, link), node)
        });
        others.min().is_none_or(|other| (me.is_draining, false, self.me) < other)
    }

    /// Returns whether this node hears more nodes than the matcher, and no other candidate hears more
    /// than this one.
    fn outreaches(&self, links: &BTreeMap<NodeId, Link>, me: Candidate, now: Instant) -> bool {
        let reach = reach(links, now);
        let others = alive(links, now)
            .filter_map(|(node, link)| link.last_beat.map(|beat| (node, beat)))
            .filter(|(_, beat)| !beat.is_draining)
            .map(|(node, beat)| (beat.reach, Reverse(node)));
        !me.is_leading
            && !me.is_draining
            && reach > self.pulse.reach
            && others.max().is_none_or(|other| other < (reach, Reverse(self.me)))
    }

    fn leader(&self, links: &BTreeMap<NodeId, Link>, is_leading: bool, now: Instant) -> Leader {
        let Some(term) = self.promised else { return Leader::Unknown };
        if term.node == self.me {
            return if is_leading { Leader::Leads(now) } else { Leader::Unknown };
        }
        let link = links.get(&term.node).filter(|link| link.is_up());
        match link.and_then(|link| Some((link, link.last_beat?))) {
            Some((link, _)) if self.has_resigned(term.node, link) => Leader::Resigned,
            Some((link, beat)) if beat.term == Some(term) => Leader::Leads(link.heard_well_at()),
            Some(_) | None => Leader::Unknown,
        }
    }

    /// Returns whether a node says that it does not lead the present term, which is its own.
    fn has_resigned(&self, node: NodeId, link: &Link) -> bool {
        let of_its_own = self.promised.filter(|term| term.node == node);
        let said = link.last_beat.filter(|beat| beat.term == of_its_own);
        of_its_own.is_some() && said.is_some_and(|beat| !beat.leads)
    }
}

/// Returns how many other nodes this one hears and is heard by.
pub(super) fn reach(links: &BTreeMap<NodeId, Link>, now: Instant) -> u32 {
    u32::try_from(alive(links, now).count()).unwrap_or(u32::MAX)
}

fn alive(links: &BTreeMap<NodeId, Link>, now: Instant) -> impl Iterator<Item = (NodeId, &Link)> {
    links.iter().filter(move |(_, link)| link.is_alive(now)).map(|(node, link)| (*node, link))
}
