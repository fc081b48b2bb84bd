//! The states of a search, and the best ways on from them.

use super::{BEAM, Stroke, UNKNOWN};
use crate::{
    motion::{Motion, Place},
    split::{Color, Pixels, distances},
};

/// A colour of the pen: the mean of the pixels drawn with it so far.
#[derive(Clone, Copy)]
pub(super) struct Pen {
    pub(super) color: Color,
    /// Their number, each by its weight; 0 where there is none yet.
    pub(super) weight: f32,
    /// Tells colours apart.
    pub(super) id: u32,
}

impl Pen {
    pub(super) const NONE: Self = Self { color: [0.0; 3], weight: 0.0, id: u32::MAX };

    /// The error that each of `pixels` adds when it is drawn with this pen, whose colour gives way.
    #[inline(always)]
    pub(super) fn errors<const N: usize>(&self, pixels: &Pixels<N>, weight: f32) -> [f32; N] {
        if self.weight == 0.0 {
            return [UNKNOWN; N];
        }
        let gives_way = self.weight / (self.weight + weight);
        distances(pixels, self.color).map(|distance| distance * gives_way)
    }

    /// Takes in `count` pixels that add up to `sum`.
    #[inline(always)]
    pub(super) fn add(&mut self, sum: Color, count: f32, weight: f32) {
        let total = self.weight + count * weight;
        if count > 0.0 {
            let (old, new) = (self.weight / total, weight / total);
            self.color = std::array::from_fn(|i| self.color[i] * old + sum[i] * new);
            self.weight = total;
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct State {
    pub(super) cost: f32,
    pub(super) front: Pen,
    pub(super) back: Pen,
    /// The place after the cell drawn last.
    pub(super) cursor: Option<Place>,
    /// The glyph drawn last, and how often in a row.
    pub(super) mask: u8,
    pub(super) run: usize,
    /// The last step of the way here, in [`Search::nodes`].
    pub(super) node: usize,
}

impl State {
    /// How many bytes it takes to come to a cell.
    #[inline(always)]
    pub(super) fn way(&self, place: Place, motion: Motion) -> u32 {
        if self.cursor == Some(place) { 0 } else { motion.cost(self.cursor, place) }
    }
}

/// A step of a state: back to the state before it.
pub(super) struct Node {
    pub(super) parent: usize,
    pub(super) stroke: Stroke,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Stays as it is.
    Skip,
    /// In the colours of the pen.
    Keep,
    /// All of it in the mean of its pixels.
    Plain,
    /// With a new front colour, of the one group or the other.
    Front(Group),
    /// With a new back colour.
    Back(Group),
    /// With two new colours, of which the front one is of this group.
    Both(Group),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    First,
    Second,
}

#[derive(Clone, Copy)]
pub(super) struct Candidate {
    pub(super) cost: f32,
    pub(super) action: Action,
    pub(super) mask: u8,
    /// The state it follows from.
    pub(super) parent: usize,
    pub(super) front: u32,
    pub(super) back: u32,
}

/// The best candidates, in order.
pub(super) struct Best {
    pub(super) list: [Candidate; BEAM],
    pub(super) count: usize,
    pub(super) prune: f32,
}

impl Best {
    pub(super) fn new(prune: f32) -> Self {
        let none = Candidate {
            cost: f32::MAX,
            action: Action::Skip,
            mask: 0,
            parent: 0,
            front: 0,
            back: 0,
        };
        Self { list: [none; BEAM], count: 0, prune }
    }

    /// The cost from which on a candidate is not kept.
    pub(super) fn limit(&self) -> f32 {
        let last = if self.count == BEAM { self.list[BEAM - 1].cost } else { f32::MAX };
        if self.count > 0 { last.min(self.list[0].cost + self.prune) } else { last }
    }

    /// Of candidates that come to the same state, one is enough.
    #[inline(always)]
    pub(super) fn push(&mut self, new: Candidate) {
        if new.cost >= self.limit() {
            return;
        }
        let is_same = |old: &Candidate| {
            let drawn = (old.action == Action::Skip, new.action == Action::Skip);
            old.front == new.front && old.back == new.back && drawn.0 == drawn.1
        };
        let mut at = match self.list[..self.count].iter().position(is_same) {
            Some(at) if self.list[at].cost <= new.cost => return,
            Some(at) => at,
            None => {
                self.count = (self.count + 1).min(BEAM);
                self.count - 1
            }
        };
        while at > 0 && self.list[at - 1].cost > new.cost {
            self.list[at] = self.list[at - 1];
            at -= 1;
        }
        self.list[at] = new;
    }
}
