//! Two pixels a cell, one over the other: `▀` in the colour of the upper on that of the lower.

use super::{About, Glyphs};
use crate::{
    mode::Color,
    palette::Rgb,
    pen::{Pen, near_or_same},
};

pub(crate) const ABOUT: About = About {
    name: "half",
    help: "Two pixels a character cell, one over the other",
    needs_unicode: true,
    needs_colors: true,
};

pub(crate) struct HalfBlock;

impl Glyphs<2> for HalfBlock {
    const COLUMNS: usize = 1;

    fn draw(pen: &mut Pen<'_>, [top, bottom]: [Rgb; 2]) -> [Rgb; 2] {
        if let Some(both) = pen.plain(top, bottom) {
            return [both; 2];
        }
        // `▄` says the same as `▀` with the colours swapped.
        if pen.at_hand(top, bottom) >= pen.at_hand(bottom, top) {
            let (top, bottom) = pen.glyph("▀", top, bottom);
            [top, bottom]
        } else {
            let (bottom, top) = pen.glyph("▄", bottom, top);
            [top, bottom]
        }
    }

    fn will_do(color: Color, shown: [Rgb; 2], wanted: [Rgb; 2]) -> bool {
        near_or_same(color, shown[0], wanted[0]) && near_or_same(color, shown[1], wanted[1])
    }
}
