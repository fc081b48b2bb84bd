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
    cell::{Cell, Reach, closer, color_digits, id, keep, nearer},
};
use crate::{
    glyphs::GlyphTable,
    layout::{Layout, Planes},
    motion::{Motion, Place},
    simd::wide,
    split::{Splitter, distances, mean, sum, total},
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
    /// Columns of a row: see [`afar`].
    far: Vec<u32>,
    nodes: Vec<Node>,
    strokes: Vec<Stroke>,
}

impl<const N: usize> Search<N> {
    const EVERY: u8 = (((1u16 << N) - 1) & 0xff) as u8;

    pub(crate) fn new() -> Self {
        Self { splitter: Splitter::new(), far: Vec::new(), nodes: Vec::new(), strokes: Vec::new() }
    }

    /// Returns the cells to draw, in order.
    pub(crate) fn strokes(&mut self, task: &Task<'_>) -> &[Stroke] {
        let last = wide!(self.search(task));
        self.trace(last);
        &self.strokes
    }

    /// Returns the last step of the best way.
    #[inline(always)]
    fn search(&mut self, task: &Task<'_>) -> usize {
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
        let (mut states, mut count) = ([start; BEAM], 1);
        // The column after a cell that was drawn: to go on is cheaper than to go there.
        let mut after = None;
        let columns = task.layout.columns;
        let mut memory = std::mem::take(&mut self.far);
        for (y, errors) in task.errors.chunks_exact(columns).enumerate() {
            let mut far = afar(errors, LEAST_AFAR * task.price, &mut memory).peekable();
            after = after.map(|x: usize| x - columns);
            loop {
                let is_worth = |x: &usize| errors[*x] > task.price;
                let beside = after.take_if(|x| *x < columns).filter(is_worth);
                let beside = beside.filter(|x| far.peek() != Some(x));
                let Some(x) = beside.or_else(|| far.next()) else { break };
                let place = Place { x: x as u32, y: y as u32 };
                let mut ways = [u32::MAX; BEAM];
                for (way, state) in ways.iter_mut().zip(&states[..count]) {
                    *way = state.way(place, task.motion);
                }
                let nearest = ways.into_iter().fold(u32::MAX, u32::min);
                if errors[x] <= task.price * (nearest + 1) as f32 {
                    continue;
                }
                let cell = Self::cell(task, y * columns + x, place);
                let best = self.best(&states[..count], &ways, &cell, task.glyphs);
                if self.advance(&mut states, &best, &cell) {
                    after = Some(x + 1);
                }
                count = best.count;
            }
        }
        self.far = memory;
        states[0].node
    }

    /// Makes the states those of the best candidates. Returns whether any of them draws the cell.
    #[inline(always)]
    fn advance(&mut self, states: &mut [State; BEAM], best: &Best, cell: &Cell<N>) -> bool {
        let candidates = || best.list[..best.count].iter().enumerate();
        // Most cells stay, and then little is to be done.
        if candidates().all(|(index, next)| next.action == Action::Skip && next.parent == index) {
            candidates().for_each(|(index, next)| states[index].cost = next.cost);
            return false;
        }
        let old = *states;
        for (index, next) in candidates() {
            states[index] = self.follow(&old[next.parent], next, cell);
        }
        candidates().any(|(_, next)| next.action != Action::Skip)
    }

    fn trace(&mut self, mut node: usize) {
        self.strokes.clear();
        while node != 0 {
            self.strokes.push(self.nodes[node].stroke);
            node = self.nodes[node].parent;
        }
        self.strokes.reverse();
    }

    #[inline(always)]
    fn cell(task: &Task<'_>, index: usize, place: Place) -> Cell<N> {
        Cell {
            index,
            place,
            pixels: task.layout.gather(task.wanted, place),
            error: task.errors[index],
            weight: task.weights[index],
            price: task.price,
        }
    }

    #[inline(always)]
    fn best(
        &self,
        states: &[State],
        ways: &[u32; BEAM],
        cell: &Cell<N>,
        glyphs: &GlyphTable,
    ) -> Best {
        let mut best = Best::new(cell.price * PRUNE);
        let mut nearest = (f32::MAX, 0);
        let mut reaches =
            [Reach { front: [0.0; N], back: [0.0; N], cost: 0.0, is_next: false }; BEAM];
        for (parent, (state, reach)) in states.iter().zip(&mut reaches).enumerate() {
            *reach = Self::reach(state, states[0].cost, cell, ways[parent]);
            let kept = Candidate {
                cost: state.cost - states[0].cost + cell.error,
                action: Action::Skip,
                mask: 0,
                parent,
                front: state.front.id,
                back: state.back.id,
            };
            best.push(kept);
            let (loss, mask) = keep(reach, state, cell, glyphs);
            best.push(Candidate { cost: reach.cost + loss, action: Action::Keep, mask, ..kept });
            // A space in a new colour, where that can still be among the best.
            if reach.cost + cell.price * (ONE_COLOR + 4.0) < best.limit() {
                let cost = reach.cost + Self::plain(cell);
                let back = id(cell.index, 2);
                best.push(Candidate { cost, action: Action::Plain, back, ..kept });
            }
            if reach.cost < nearest.0 {
                nearest = (reach.cost, parent);
            }
        }
        // Whether a glyph in one can.
        if nearest.0 + cell.price * (ONE_COLOR + 6.0) < best.limit() {
            self.recolor(&mut best, states, &reaches, nearest, cell, glyphs);
        }
        best
    }

    #[inline(always)]
    fn reach(state: &State, base: f32, cell: &Cell<N>, way: u32) -> Reach<N> {
        Reach {
            front: state.front.errors(&cell.pixels, cell.weight),
            back: state.back.errors(&cell.pixels, cell.weight),
            cost: state.cost - base + cell.price * way as f32,
            is_next: state.cursor == Some(cell.place),
        }
    }

    /// The cost of a cell that is all of it shown in the mean of its pixels.
    #[inline(always)]
    fn plain(cell: &Cell<N>) -> f32 {
        let mean = mean(&cell.pixels, Self::EVERY);
        let spread = total(distances(&cell.pixels, mean));
        cell.price * (ONE_COLOR + 1.0 + color_digits(mean)) + spread * cell.weight
    }

    /// Adds candidates with new colours.
    #[inline(always)]
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
        let first = self.splitter.split(&cell.pixels, mean(&cell.pixels, Self::EVERY));
        let groups = [(Group::First, first), (Group::Second, Self::EVERY ^ first)];
        let colors = groups.map(|(_, mask)| mean(&cell.pixels, mask));
        let errors = colors.map(|color| distances(&cell.pixels, color));
        let lengths = groups.map(|(_, mask)| glyphs.length(mask));
        let glyph = lengths[0].max(lengths[1]) as f32;
        for (parent, (state, reach)) in states.iter().zip(reaches).enumerate() {
            if reach.cost + price * (ONE_COLOR + 6.0) > best.limit() {
                continue;
            }
            for (index, (group, _)) in groups.into_iter().enumerate() {
                let id = id(cell.index, index);
                let bytes = price * (ONE_COLOR + glyph + color_digits(colors[index]));
                let ways = [
                    (&state.back, &reach.back, Action::Front(group), id, state.back.id),
                    (&state.front, &reach.front, Action::Back(group), state.front.id, id),
                ];
                for (other, at_hand, action, front, back) in ways {
                    if other.weight > 0.0 {
                        let loss = total(nearer(&errors[index], at_hand));
                        let cost = reach.cost + bytes + loss * cell.weight;
                        best.push(Candidate { cost, action, mask: 0, parent, front, back });
                    }
                }
            }
        }
        let loss = total(std::array::from_fn::<_, N, _>(|pixel| {
            errors[usize::from(first >> pixel & 1 == 0)][pixel]
        }));
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
    #[inline(always)]
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
        let (front, back) = (sum(&cell.pixels, mask), sum(&cell.pixels, Self::EVERY ^ mask));
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

/// The places of the errors that are greater than `least`, in memory that is kept. There is no branch for
/// each, as a processor would guess half of them wrong.
#[inline(always)]
fn afar(errors: &[f32], least: f32, memory: &mut Vec<u32>) -> impl Iterator<Item = usize> {
    memory.resize(errors.len() + 1, 0);
    let mut count = 0;
    for (index, error) in errors.iter().enumerate() {
        memory[count] = index as u32;
        count += usize::from(*error > least);
    }
    memory[..count].iter().map(|index| *index as usize)
}
