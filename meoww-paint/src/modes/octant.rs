//! Eight pixels a cell in two colours, with the octants of Unicode 16 (U+1CD00 to U+1CDE5).

use super::{About, Symbols, quadrant};

pub(crate) const ABOUT: About = About {
    name: "octant",
    help: "Eight pixels a character cell, in two colours; the font needs Unicode 16's octants",
    needs_unicode: true,
};

pub(crate) const SYMBOLS: Symbols = Symbols { across: 2, down: 4, glyph };

/// The code chart has them in order of their pixels, without those that were there already.
fn glyph(mask: usize) -> char {
    older(mask).unwrap_or_else(|| {
        let index = (0..mask).filter(|mask| older(*mask).is_none()).count();
        char::from_u32(0x1CD00 + index as u32).unwrap_or(' ')
    })
}

/// Glyphs of other blocks: quadrants, and parts of the upper and lower edge.
fn older(mask: usize) -> Option<char> {
    let row = |row: usize| mask >> (2 * row) & 3;
    if row(0) == row(1) && row(2) == row(3) {
        return Some(quadrant::glyph(row(0) | row(2) << 2));
    }
    Some(match mask {
        0b00_00_00_01 => '\u{1CEA8}',
        0b00_00_00_10 => '\u{1CEAB}',
        0b00_00_00_11 => '\u{1FB82}',
        0b00_01_01_00 => '\u{1FBE6}',
        0b00_10_10_00 => '\u{1FBE7}',
        0b00_11_11_11 => '\u{1FB85}',
        0b01_00_00_00 => '\u{1CEA3}',
        0b10_00_00_00 => '\u{1CEA0}',
        0b11_00_00_00 => '\u{2582}',
        0b11_11_11_00 => '\u{2586}',
        _ => return None,
    })
}
