//! Four pixels a cell in two colours, with the quadrants of Unicode's block elements (U+2596 to
//! U+259F, and the halves).

use super::{About, Symbols};

pub(crate) const ABOUT: About = About {
    name: "quadrant",
    help: "Four pixels a character cell, in two colours: sharper",
    needs_unicode: true,
};

pub(crate) const SYMBOLS: Symbols = Symbols { across: 2, down: 2, glyph };

pub(super) fn glyph(mask: usize) -> char {
    [' ', '▘', '▝', '▀', '▖', '▌', '▞', '▛', '▗', '▚', '▐', '▜', '▄', '▙', '▟', '█'][mask]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of the code chart of block elements (U2580): the quadrants in front.
    #[test]
    fn glyphs_are_those_of_the_code_chart() {
        const UPPER_LEFT: usize = 1;
        const UPPER_RIGHT: usize = 2;
        const LOWER_LEFT: usize = 4;
        const LOWER_RIGHT: usize = 8;
        let cases = [
            ('\u{2596}', LOWER_LEFT),
            ('\u{2597}', LOWER_RIGHT),
            ('\u{2598}', UPPER_LEFT),
            ('\u{2599}', UPPER_LEFT | LOWER_LEFT | LOWER_RIGHT),
            ('\u{259a}', UPPER_LEFT | LOWER_RIGHT),
            ('\u{259b}', UPPER_LEFT | UPPER_RIGHT | LOWER_LEFT),
            ('\u{259c}', UPPER_LEFT | UPPER_RIGHT | LOWER_RIGHT),
            ('\u{259d}', UPPER_RIGHT),
            ('\u{259e}', UPPER_RIGHT | LOWER_LEFT),
            ('\u{259f}', UPPER_RIGHT | LOWER_LEFT | LOWER_RIGHT),
            ('\u{2580}', UPPER_LEFT | UPPER_RIGHT),
            ('\u{2584}', LOWER_LEFT | LOWER_RIGHT),
            ('\u{258c}', UPPER_LEFT | LOWER_LEFT),
            ('\u{2590}', UPPER_RIGHT | LOWER_RIGHT),
            ('\u{2588}', 15),
            (' ', 0),
        ];
        for (character, mask) in cases {
            assert_eq!(glyph(mask), character, "{mask:04b}");
        }
    }
}
