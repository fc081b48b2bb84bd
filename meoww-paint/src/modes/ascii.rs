//! A character as dense as the cell is bright, in the cell's colour where there are colours. A cell
//! has two pixels, of which the mean is shown, so that a picture has as many as with half blocks.

use super::{About, Glyphs};
use crate::{
    mode::Color,
    palette::Rgb,
    pen::{Pen, near, same},
};

pub(crate) const ABOUT: About = About {
    name: "ascii",
    help: "One character a pixel",
    needs_unicode: false,
    needs_colors: false,
};

/// From black to white, on a dark terminal.
const RAMP: &[u8] = b" .:-=+*#%@";

pub(crate) struct Ascii;

impl Glyphs<2> for Ascii {
    const COLUMNS: usize = 1;

    fn draw(pen: &mut Pen<'_>, wanted: [Rgb; 2]) -> [Rgb; 2] {
        let pixel = mean(wanted);
        let glyph = glyph(pixel);
        if glyph == b' ' || pen.color() == Color::Mono {
            pen.character(glyph);
            [pixel; 2]
        } else {
            [pen.colored(glyph, pixel); 2]
        }
    }

    fn will_do(color: Color, shown: [Rgb; 2], wanted: [Rgb; 2]) -> bool {
        let (shown, wanted) = (mean(shown), mean(wanted));
        near(shown, wanted)
            || glyph(shown) == glyph(wanted) && (color == Color::Mono || same(color, shown, wanted))
    }
}

fn mean([top, bottom]: [Rgb; 2]) -> Rgb {
    std::array::from_fn(|i| top[i].midpoint(bottom[i]))
}

/// The character for a pixel's brightness (luma of BT.601).
pub(crate) fn glyph([r, g, b]: Rgb) -> u8 {
    let luma = (u32::from(r) * 299 + u32::from(g) * 587 + u32::from(b) * 114) / 1000;
    RAMP[luma as usize * RAMP.len() / 256]
}
