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

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of the code chart (U1CD00) from OCTANT-3 to OCTANT-2345678, each as the bits of its octants.
    const NAMES: &str = "\
        04 06 07 08 09 0b 0c 0d 0e 10 11 12 13 15 16 17 18 19 1a 1b 1c 1d 1e 1f 20 21 22 23 \
        24 25 26 27 29 2a 2b 2c 2d 2e 2f 30 31 32 33 34 35 36 37 38 39 3a 3b 3c 3d 3e 41 42 \
        43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f 51 52 53 54 56 57 58 59 5b 5c 5d 5e 60 61 62 \
        63 64 65 66 67 68 69 6a 6b 6c 6d 6e 6f 70 71 72 73 74 75 76 77 78 79 7a 7b 7c 7d 7e \
        7f 81 82 83 84 85 86 87 88 89 8a 8b 8c 8d 8e 8f 90 91 92 93 94 95 96 97 98 99 9a 9b \
        9c 9d 9e 9f a1 a2 a3 a4 a6 a7 a8 a9 ab ac ad ae b0 b1 b2 b3 b4 b5 b6 b7 b8 b9 ba bb \
        bc bd be bf c1 c2 c3 c4 c5 c6 c7 c8 c9 ca cb cc cd ce cf d0 d1 d2 d3 d4 d5 d6 d7 d8 \
        d9 da db dc dd de df e0 e1 e2 e3 e4 e5 e6 e7 e8 e9 ea eb ec ed ee ef f1 f2 f3 f4 f6 \
        f7 f8 f9 fb fd fe";

    #[test]
    fn glyphs_are_those_of_the_code_chart() {
        let masks: Vec<usize> =
            NAMES.split(' ').map(|name| usize::from_str_radix(name, 16).unwrap()).collect();
        assert_eq!(masks.len(), 0x1CDE5 - 0x1CD00 + 1);
        for (mask, code) in masks.iter().zip(0x1CD00..) {
            assert_eq!(glyph(*mask) as u32, code, "{mask:08b}");
        }
        // Of other blocks: by their names, of the quarters and halves they are.
        let others = [
            ('\u{1CEA8}', 0b00_00_00_01, "left half upper one quarter"),
            ('\u{1CEAB}', 0b00_00_00_10, "right half upper one quarter"),
            ('\u{1CEA3}', 0b01_00_00_00, "left half lower one quarter"),
            ('\u{1CEA0}', 0b10_00_00_00, "right half lower one quarter"),
            ('\u{1FBE6}', 0b00_01_01_00, "middle left one quarter"),
            ('\u{1FBE7}', 0b00_10_10_00, "middle right one quarter"),
            ('\u{1FB82}', 0b00_00_00_11, "upper one quarter"),
            ('\u{1FB85}', 0b00_11_11_11, "upper three quarters"),
            ('\u{2582}', 0b11_00_00_00, "lower one quarter"),
            ('\u{2586}', 0b11_11_11_00, "lower three quarters"),
            ('\u{259A}', 0b10_10_01_01, "upper left and lower right"),
        ];
        for (character, mask, name) in others {
            assert_eq!(glyph(mask), character, "{name}");
        }
    }
}
