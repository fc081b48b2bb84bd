//! A character as dense as the cell is bright, in the cell's colour where there are colours.

use crate::{
    cells::{Artist, Cell, Scene},
    motion::{Motion, number},
    palette::{Palette, luma},
    split::{Color, distance, mean},
};

/// From black to white, on a dark terminal.
pub(crate) const RAMP: &[u8] = b" .:-=+*#%@";

/// Pixels of a cell, over one another, so that a picture has as many as with half blocks.
pub(crate) const PIXELS: usize = 2;

/// Bytes of a character, and of one with a way to it and a colour.
const PLAIN: f32 = 4.0;
const COLORED: f32 = 16.0;

/// The colours of the letters.
pub(crate) enum Dye {
    /// The terminal's own.
    None,
    /// Those of a palette.
    Palette(Palette),
    /// 24 bits.
    True,
}

/// Draws letters.
pub(crate) struct Letters {
    dye: Dye,
    /// What was wanted where each one was drawn.
    shown: Vec<Color>,
}

impl Letters {
    pub(crate) fn new(dye: Dye) -> Self {
        Self { dye, shown: Vec::new() }
    }

    /// Whether two colours are drawn alike.
    fn same(&self, a: Color, b: Color) -> bool {
        let is_same_color = match &self.dye {
            Dye::None => true,
            Dye::Palette(palette) => palette.nearest(a) == palette.nearest(b),
            Dye::True => a == b,
        };
        glyph(a) == glyph(b) && is_same_color
    }

    fn push_color(&self, color: Color, out: &mut Vec<u8>) {
        match &self.dye {
            Dye::None => {}
            Dye::Palette(palette) => {
                out.extend_from_slice(b"\x1b[");
                palette.push(palette.nearest(color), false, out);
                out.push(b'm');
            }
            Dye::True => {
                out.extend_from_slice(b"\x1b[38;2");
                for value in color {
                    out.push(b';');
                    number((value + 0.5) as u8, out);
                }
                out.push(b'm');
            }
        }
    }

    fn is_dyed(&self) -> bool {
        !matches!(self.dye, Dye::None)
    }
}

impl Artist for Letters {
    fn draw(&mut self, scene: &mut Scene<'_>, out: &mut Vec<u8>) {
        let layout = scene.layout;
        let motion = Motion { origin: scene.origin, columns: layout.columns as u32 };
        self.shown.resize(layout.cells(), [0.0; 3]);
        let price = scene.price * if self.is_dyed() { COLORED } else { PLAIN };
        let (mut cursor, mut pen) = (None, None::<Color>);
        for cell in 0..layout.cells() {
            let wanted = mean(&layout.gather::<PIXELS>(scene.wanted, layout.place(cell)), 3);
            let shown = self.shown[cell];
            let will_do =
                || PIXELS as f32 * distance(shown, wanted) <= price || self.same(shown, wanted);
            match scene.cell(cell) {
                Cell::Covered => continue,
                Cell::Picture if will_do() => continue,
                Cell::Picture | Cell::Unknown | Cell::Blank => {}
            }
            motion.push(cursor, layout.place(cell), out);
            let glyph = glyph(wanted);
            let is_at_hand = |pen: Color| PIXELS as f32 * distance(pen, wanted) <= price;
            if glyph != b' ' && self.is_dyed() && !pen.is_some_and(is_at_hand) {
                self.push_color(wanted, out);
                pen = Some(wanted);
            }
            out.push(glyph);
            cursor = Some(layout.place(cell).next());
            self.shown[cell] = wanted;
            scene.set(cell, Cell::Picture);
        }
        if pen.is_some() {
            out.extend_from_slice(b"\x1b[m");
        }
    }
}

/// The character for the brightness of a colour.
pub(crate) fn glyph(color: Color) -> u8 {
    RAMP[(luma(color) as usize * RAMP.len() / 256).min(RAMP.len() - 1)]
}
