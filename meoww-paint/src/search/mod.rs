//! Which cells of a picture to draw, and how, so that every byte is worth its price.
//!
//! The cost of a picture is the squared error of what is shown, and for each byte its price. Cells are
//! gone through in order by a beam search: a state is the two colours of the pen, where the cursor is,
//! and what it has cost to come there. Each cell either stays as it is, or is drawn in the colours at
//! hand or in new ones, and of the states that follow the best few are kept. A colour stands for all
//! cells that are drawn with it: it is their mean, known in the end, and so a number of pixels in a
//! state. (The Lagrangian of rate and distortion: Ortega and Ramchandran, 1998.)

mod beam;
mod cell;

use self::{
    beam::{Action, Best, Candidate, Group, Node, Pen, State},
    cell::{Cell, Reach, closer, color_digits, id, keep},
};
use crate::{
    glyphs::GlyphTable,
    layout::{Layout, Planes},
    motion::{Motion, Place},
    split::{Splitter, distance, mean},
};

/// The error of a cell of which nothing is known.
pub(crate) const UNKNOWN: f32 = 1e9;

/// States that are kept. Two are worth a sixth of the bytes, at 40 dB; four a tenth more, and cost
/// four times the time.
const BEAM: usize = 2;
/// States that cost more than the best by so many bytes are given up.
const PRUNE: f32 = 24.0;
/// Bytes of a new colour in front of or behind a glyph, without its digits: `ESC [ 38;2;;; m`.
const ONE_COLOR: f32 = 10.0;
/// Bytes of two at once.
const TWO_COLORS: f32 = 18.0;
/// The fewest bytes a cell can take that the cursor is not at.
const LEAST_AFAR: f32 = 4.0;

/// A picture that is wanted where another is shown. Cells are counted row by row.
pub(crate) struct Task<'a> {
    pub(crate) glyphs: &'a GlyphTable,
    pub(crate) motion: Motion,
    pub(crate) layout: Layout,
    pub(crate) wanted: &'a Planes,
    /// The error of each cell as it is shown, by its weight: [`UNKNOWN`] where nothing is known, none
    /// where nothing is to be drawn.
    pub(crate) errors: &'a [f32],
    /// How much an error of each cell counts.
    pub(crate) weights: &'a [f32],
    /// The error that a byte is worth.
    pub(crate) price: f32,
}

/// A cell to be drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stroke {
    pub(crate) cell: usize,
    pub(crate) place: Place,
    /// The pixels in the front colour.
    pub(crate) mask: u8,
    /// Whether it begins with a new front colour.
    pub(crate) new_front: bool,
    /// Whether it begins with a new back colour.
    pub(crate) new_back: bool,
}

impl Stroke {
    /// Whether a pixel is in the front colour.
    pub(crate) fn is_front(self, pixel: usize) -> bool {
        self.mask >> pixel & 1 == 1
    }
}

/// Searches; keeps its memory between pictures.
pub(crate) struct Search<const N: usize> {
    splitter: Splitter<N>,
    nodes: Vec<Node>,
    strokes: Vec<Stroke>,
}

impl<const N: usize> Search<N> {
    const EVERY: u8 = (((1u16 << N) - 1) & 0xff) as u8;

    pub(crate) fn new() -> Self {
        Self { splitter: Splitter::new(), nodes: Vec::new(), strokes: Vec::new() }
    }

    /// Returns the cells to draw, in order.
    pub(crate) fn strokes(&mut self, task: &Task<'_>) -> &[Stroke] {
        self.nodes.clear();
        let place = Place { x: 0, y: 0 };
        let none = Stroke { cell: 0, place, mask: 0, new_front: false, new_back: false };
        self.nodes.push(Node { parent: 0, stroke: none });
        let start = State {
            cost: 0.0,
            front: Pen::NONE,
            back: Pen::NONE,
            cursor: None,
            mask: 0,
            run: 0,
            node: 0,
        };
        let (mut states, mut count, mut cursor) = ([start; BEAM], 1, 0);
        for (index, error) in task.errors.iter().enumerate() {
            if *error <= task.price || *error <= LEAST_AFAR * task.price && cursor != index {
                continue;
            }
            let place = task.layout.place(index);
            let ways = states[..count].iter().map(|state| state.way(place, task.motion));
            if *error <= task.price * (ways.min().unwrap_or(0) + 1) as f32 {
                continue;
            }
            let cell = Self::cell(task, index);
            let best = self.best(&states[..count], &cell, task);
            let old = states;
            for (state, candidate) in states.iter_mut().zip(&best.list[..best.count]) {
                *state = self.follow(&old[candidate.parent], candidate, &cell);
                if candidate.action != Action::Skip {
                    cursor = index + 1;
                }
            }
            count = best.count;
        }
        self.trace(states[0].node);
        &self.strokes
    }

    fn trace(&mut self, mut node: usize) {
        self.strokes.clear();
        while node != 0 {
            self.strokes.push(self.nodes[node].stroke);
            node = self.nodes[node].parent;
        }
        self.strokes.reverse();
    }

    fn cell(task: &Task<'_>, index: usize) -> Cell<N> {
        let place = task.layout.place(index);
        let pixels = task.layout.gather(task.wanted, place);
        Cell {
            index,
            place,
            pixels,
            mean: mean(&pixels, Self::EVERY),
            error: task.errors[index],
            weight: task.weights[index],
            price: task.price,
        }
    }

    fn best(&self, states: &[State], cell: &Cell<N>, task: &Task<'_>) -> Best {
        let mut best = Best::new(cell.price * PRUNE);
        let spread: f32 = cell.pixels.iter().map(|pixel| distance(*pixel, cell.mean)).sum();
        let plain = cell.price * (ONE_COLOR + 1.0 + color_digits(cell.mean)) + spread * cell.weight;
        let mut nearest = (f32::MAX, 0);
        let mut reaches =
            [Reach { front: [0.0; N], back: [0.0; N], cost: 0.0, is_next: false }; BEAM];
        for (parent, (state, reach)) in states.iter().zip(&mut reaches).enumerate() {
            *reach = Self::reach(state, states[0].cost, cell, task.motion);
            let kept = Candidate {
                cost: state.cost - states[0].cost + cell.error,
                action: Action::Skip,
                mask: 0,
                parent,
                front: state.front.id,
                back: state.back.id,
            };
            best.push(kept);
            let (loss, mask) = keep(reach, state, cell, task.glyphs);
            best.push(Candidate { cost: reach.cost + loss, action: Action::Keep, mask, ..kept });
            let back = id(cell.index, 2);
            let cost = reach.cost + plain;
            best.push(Candidate { cost, action: Action::Plain, back, ..kept });
            if reach.cost < nearest.0 {
                nearest = (reach.cost, parent);
            }
        }
        // Whether a new colour can still be among the best.
        if nearest.0 + cell.price * (ONE_COLOR + 6.0) < best.limit() {
            self.recolor(&mut best, states, &reaches, nearest, cell, task.glyphs);
        }
        best
    }

    fn reach(state: &State, base: f32, cell: &Cell<N>, motion: Motion) -> Reach<N> {
        let is_next = state.cursor == Some(cell.place);
        let way = state.way(cell.place, motion);
        Reach {
            front: state.front.errors(&cell.pixels, cell.weight),
            back: state.back.errors(&cell.pixels, cell.weight),
            cost: state.cost - base + cell.price * way as f32,
            is_next,
        }
    }

    /// Adds candidates with new colours.
    fn recolor(
        &self,
        best: &mut Best,
        states: &[State],
        reaches: &[Reach<N>; BEAM],
        nearest: (f32, usize),
        cell: &Cell<N>,
        glyphs: &GlyphTable,
    ) {
        let price = cell.price;
        let first = self.splitter.split(&cell.pixels, cell.mean);
        let groups = [(Group::First, first), (Group::Second, Self::EVERY ^ first)];
        let colors = groups.map(|(_, mask)| mean(&cell.pixels, mask));
        let errors = colors.map(|color| cell.pixels.map(|pixel| distance(pixel, color)));
        let lengths = groups.map(|(_, mask)| glyphs.length(mask));
        let glyph = lengths[0].max(lengths[1]) as f32;
        for (parent, (state, reach)) in states.iter().zip(reaches).enumerate() {
            if reach.cost + price * (ONE_COLOR + 6.0) > best.limit() {
                continue;
            }
            for (index, (group, _)) in groups.into_iter().enumerate() {
                let id = id(cell.index, index);
                let bytes = price * (ONE_COLOR + glyph + color_digits(colors[index]));
                let mut push = |other: &Pen, at_hand: &[f32; N], action, front, back| {
                    if other.weight > 0.0 {
                        let loss: f32 =
                            errors[index].iter().zip(at_hand).map(|(a, b)| a.min(*b)).sum();
                        let cost = reach.cost + bytes + loss * cell.weight;
                        best.push(Candidate { cost, action, mask: 0, parent, front, back });
                    }
                };
                push(&state.back, &reach.back, Action::Front(group), id, state.back.id);
                push(&state.front, &reach.front, Action::Back(group), state.front.id, id);
            }
        }
        let loss: f32 =
            (0..N).map(|pixel| errors[usize::from(first >> pixel & 1 == 0)][pixel]).sum();
        let digits = color_digits(colors[0]) + color_digits(colors[1]);
        for (index, (group, mask)) in groups.into_iter().enumerate() {
            let bytes = TWO_COLORS + digits + lengths[index] as f32;
            best.push(Candidate {
                cost: nearest.0 + price * bytes + loss * cell.weight,
                action: Action::Both(group),
                mask,
                parent: nearest.1,
                front: id(cell.index, index),
                back: id(cell.index, 1 - index),
            });
        }
        for candidate in &mut best.list[..best.count] {
            candidate.mask = match candidate.action {
                Action::Front(group) => {
                    closer(&errors[group as usize], &reaches[candidate.parent].back)
                }
                Action::Back(group) => {
                    Self::EVERY ^ closer(&errors[group as usize], &reaches[candidate.parent].front)
                }
                Action::Skip | Action::Keep | Action::Plain | Action::Both(_) => candidate.mask,
            };
        }
    }

    /// Returns the state that a candidate comes to.
    fn follow(&mut self, state: &State, candidate: &Candidate, cell: &Cell<N>) -> State {
        let mut next = State { cost: candidate.cost, ..*state };
        let (mut new_front, mut new_back) = match candidate.action {
            Action::Skip => return next,
            Action::Keep => (false, false),
            Action::Front(_) => (true, false),
            Action::Plain | Action::Back(_) => (false, true),
            Action::Both(_) => (true, true),
        };
        let mask = candidate.mask;
        let (mut front, mut back) = ([0.0; 3], [0.0; 3]);
        for (bit, pixel) in cell.pixels.iter().enumerate() {
            let sum = if mask >> bit & 1 == 1 { &mut front } else { &mut back };
            sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += value);
        }
        let in_front = mask.count_ones() as f32;
        // A new colour that no pixel is nearer to is none.
        new_front &= in_front > 0.0;
        new_back &= in_front < N as f32;
        if new_front {
            next.front = Pen { weight: 0.0, id: candidate.front, ..Pen::NONE };
        }
        if new_back {
            next.back = Pen { weight: 0.0, id: candidate.back, ..Pen::NONE };
        }
        next.front.add(front, in_front, cell.weight);
        next.back.add(back, N as f32 - in_front, cell.weight);
        let is_next = state.cursor == Some(cell.place);
        let goes_on = candidate.action == Action::Keep && is_next && state.mask == mask;
        next.run = if goes_on { state.run + 1 } else { 1 };
        (next.mask, next.cursor, next.node) = (mask, Some(cell.place.next()), self.nodes.len());
        let (cell, place) = (cell.index, cell.place);
        let stroke = Stroke { cell, place, mask, new_front, new_back };
        self.nodes.push(Node { parent: state.node, stroke });
        next
    }
}
