//! The glyphs of the cells that show pixels in two colours.

use crate::motion::{digits, number};

/// Glyphs by the pixels that are in front, bit by bit from the upper left, row by row.
pub(crate) struct GlyphTable {
    glyphs: Vec<Glyph>,
    /// Whether the terminal knows REP, which repeats a character.
    repeats: bool,
}

#[derive(Clone, Copy)]
struct Glyph {
    bytes: [u8; 4],
    length: u8,
}

impl GlyphTable {
    /// The glyphs of `pixels` pixels a cell.
    pub(crate) fn new(pixels: usize, glyph: fn(usize) -> char, repeats: bool) -> Self {
        let glyphs = (0..1 << pixels).map(|mask| {
            let mut bytes = [0; 4];
            let length = glyph(mask).encode_utf8(&mut bytes).len() as u8;
            Glyph { bytes, length }
        });
        Self { glyphs: glyphs.collect(), repeats }
    }

    /// How many bytes a glyph has.
    pub(crate) fn length(&self, mask: u8) -> usize {
        self.glyphs[usize::from(mask)].length.into()
    }

    /// How many bytes more it takes to draw a glyph after `run` of the same.
    pub(crate) fn cost(&self, mask: u8, run: usize) -> usize {
        let length = self.length(mask);
        if self.repeats && run > 1 {
            self.run_cost(length, run + 1) - self.run_cost(length, run)
        } else {
            length
        }
    }

    fn run_cost(&self, length: usize, run: usize) -> usize {
        (length * run).min(length + 3 + digits(run as u32 - 1) as usize)
    }

    /// Appends a glyph `run` times.
    pub(crate) fn push(&self, mask: u8, run: usize, out: &mut Vec<u8>) {
        let Glyph { bytes, length } = self.glyphs[usize::from(mask)];
        let glyph = &bytes[..usize::from(length)];
        if self.repeats && run > 1 && self.run_cost(glyph.len(), run) < glyph.len() * run {
            out.extend_from_slice(glyph);
            out.extend_from_slice(b"\x1b[");
            number(run - 1, out);
            out.push(b'b');
        } else {
            (0..run).for_each(|_| out.extend_from_slice(glyph));
        }
    }
}
