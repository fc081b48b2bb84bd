//! Eight dots a cell in the terminal's own colours (U+2800 to U+28FF, Braille patterns).

use super::{About, Symbols};

pub(crate) const ABOUT: About = About {
    name: "braille",
    help: "Eight dots a character cell, without colours",
    needs_unicode: true,
};

pub(crate) const SYMBOLS: Symbols = Symbols { across: 2, down: 4, glyph };

/// Dots are numbered down the left column and down the right, and the lowest two last, as the first
/// six were there before.
fn glyph(mask: usize) -> char {
    const DOTS: [u32; 8] = [0, 3, 1, 4, 2, 5, 6, 7];
    let dots = DOTS.iter().enumerate().filter(|(pixel, _)| mask >> pixel & 1 == 1);
    char::from_u32(dots.fold(0x2800, |code, (_, dot)| code | 1 << dot)).unwrap_or(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of the code chart (U2800): the dots of a pattern.
    #[test]
    fn dots_are_where_the_code_chart_has_them() {
        // Row by row: 1 4, 2 5, 3 6, 7 8.
        assert_eq!(glyph(0), '\u{2800}');
        assert_eq!(glyph(0b00_00_00_01), '\u{2801}', "dot 1");
        assert_eq!(glyph(0b00_00_00_10), '\u{2808}', "dot 4");
        assert_eq!(glyph(0b00_00_01_00), '\u{2802}', "dot 2");
        assert_eq!(glyph(0b00_10_00_00), '\u{2820}', "dot 6");
        assert_eq!(glyph(0b01_00_00_00), '\u{2840}', "dot 7");
        assert_eq!(glyph(0b11_00_00_00), '\u{28c0}', "dots 7 and 8");
        assert_eq!(glyph(0b11_11_11_11), '\u{28ff}');
    }
}
