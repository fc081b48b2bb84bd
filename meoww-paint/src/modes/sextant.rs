//! Six pixels a cell in two colours, with the sextants of Unicode 13 (U+1FB00 to U+1FB3B).

use super::{About, Symbols};

pub(crate) const ABOUT: About = About {
    name: "sextant",
    help: "Six pixels a character cell, in two colours; the font needs Unicode 13's sextants",
    needs_unicode: true,
};

pub(crate) const SYMBOLS: Symbols = Symbols { across: 2, down: 3, glyph };

const LEFT_HALF: usize = 0b01_01_01;
const RIGHT_HALF: usize = 0b10_10_10;

/// The code chart has them in order of their pixels, without the four that were there already.
fn glyph(mask: usize) -> char {
    match mask {
        0 => ' ',
        LEFT_HALF => '▌',
        RIGHT_HALF => '▐',
        0b11_11_11 => '█',
        _ => {
            let left_out = 1 + usize::from(mask > LEFT_HALF) + usize::from(mask > RIGHT_HALF);
            char::from_u32(0x1FB00 + (mask - left_out) as u32).unwrap_or(' ')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of the code chart (U1FB00): the sextants in front, counted from 1.
    #[test]
    fn glyphs_are_those_of_the_code_chart() {
        let cases = [
            ('\u{1FB00}', "1"),
            ('\u{1FB01}', "2"),
            ('\u{1FB02}', "12"),
            ('\u{1FB13}', "35"),
            ('\u{1FB14}', "235"),
            ('\u{1FB1E}', "6"),
            ('\u{1FB27}', "146"),
            ('\u{1FB28}', "1246"),
            ('\u{1FB3B}', "23456"),
            ('▌', "135"),
            ('▐', "246"),
            ('█', "123456"),
        ];
        for (character, name) in cases {
            let mask = name.bytes().fold(0, |mask, digit| mask | 1 << (digit - b'1'));
            assert_eq!(glyph(mask), character, "{name}");
        }
    }
}
