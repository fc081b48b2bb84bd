//! A cell of a search, and the costs of drawing it.

use super::beam::State;
use crate::{
    glyphs::GlyphTable,
    motion::Place,
    split::{Color, Pixels, total},
};

pub(super) struct Cell<const N: usize> {
    pub(super) index: usize,
    pub(super) place: Place,
    pub(super) pixels: Pixels<N>,
    /// The error as it is shown, by its weight.
    pub(super) error: f32,
    pub(super) weight: f32,
    pub(super) price: f32,
}

/// The costs of a cell from a state.
#[derive(Clone, Copy)]
pub(super) struct Reach<const N: usize> {
    /// Errors of the pixels in the pen's colours.
    pub(super) front: [f32; N],
    pub(super) back: [f32; N],
    /// The cost of the state, with the way to the cell.
    pub(super) cost: f32,
    pub(super) is_next: bool,
}

/// The cost and the glyph of a cell drawn in the colours at hand.
#[inline(always)]
pub(super) fn keep<const N: usize>(
    reach: &Reach<N>,
    state: &State,
    cell: &Cell<N>,
    glyphs: &GlyphTable,
) -> (f32, u8) {
    let mask = closer(&reach.front, &reach.back);
    let (both, back) = (total(nearer(&reach.front, &reach.back)), total(reach.back));
    let bytes = |mask: u8| {
        let run = if reach.is_next && state.mask == mask { state.run } else { 0 };
        cell.price * glyphs.cost(mask, run) as f32
    };
    let (both, back) = (both * cell.weight + bytes(mask), back * cell.weight + bytes(0));
    if back < both { (back, 0) } else { (both, mask) }
}

/// The errors of pixels that are each drawn in the nearer of two colours.
#[inline(always)]
pub(super) fn nearer<const N: usize>(first: &[f32; N], second: &[f32; N]) -> [f32; N] {
    std::array::from_fn(|pixel| first[pixel].min(second[pixel]))
}

/// The pixels whose error is smaller in the first.
#[inline(always)]
pub(super) fn closer<const N: usize>(first: &[f32; N], second: &[f32; N]) -> u8 {
    let bits: [u32; N] =
        std::array::from_fn(|pixel| if first[pixel] < second[pixel] { 1 << pixel } else { 0 });
    bits.into_iter().fold(0, |mask, bit| mask | bit) as u8
}

pub(super) fn id(cell: usize, color: usize) -> u32 {
    (cell * 4 + color) as u32
}

/// Decimal digits of its three numbers, once rounded.
pub(super) fn color_digits(color: Color) -> f32 {
    let digits =
        |value: f32| 1.0 + f32::from(u8::from(value >= 9.5)) + f32::from(u8::from(value >= 99.5));
    digits(color[0]) + digits(color[1]) + digits(color[2])
}
