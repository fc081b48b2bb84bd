//! Cells to bytes: cursor moves, colours (ECMA-48 SGR) and characters, and none that can be spared.

use crate::{
    mode::{Color, Mode, Render},
    palette::{Rgb, nearest},
};

/// Most a colour on the screen may differ from the picture, in each channel. Below it noise and
/// gradients cost no bytes, and nobody sees it.
pub(crate) const TOLERANCE: u8 = 4;

/// From black to white, on a dark terminal.
const RAMP: &[u8] = b" .:-=+*#%@";

/// What a cell shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The terminal's own background.
    Blank,
    /// An upper and a lower pixel; in ASCII both are the cell's one colour.
    Pixels(Rgb, Rgb),
}

/// Draws cells one after the other, left to right and top to bottom. It starts with the terminal's
/// own colours, and leaves them when it is finished.
pub(crate) struct Pen<'a> {
    mode: Mode,
    out: &'a mut Vec<u8>,
    /// Column and row the terminal's cursor is at, once known.
    cursor: Option<(u16, u16)>,
    /// `None` is the terminal's own.
    fg: Option<Rgb>,
    bg: Option<Rgb>,
}

impl<'a> Pen<'a> {
    pub(crate) fn new(mode: Mode, out: &'a mut Vec<u8>) -> Self {
        Self { mode, out, cursor: None, fg: None, bg: None }
    }

    pub(crate) fn finish(self) {
        if self.fg.is_some() || self.bg.is_some() {
            self.out.extend_from_slice(b"\x1b[m");
        }
    }

    /// Whether a cell that shows `shown` will do where `wanted` is to be seen.
    pub(crate) fn will_do(&self, shown: Shown, wanted: Shown) -> bool {
        match (shown, wanted) {
            (Shown::Blank, Shown::Blank) => true,
            (Shown::Pixels(a, b), Shown::Pixels(c, d)) => self.passes(a, c) && self.passes(b, d),
            (Shown::Blank, Shown::Pixels(..)) | (Shown::Pixels(..), Shown::Blank) => false,
        }
    }

    fn passes(&self, shown: Rgb, wanted: Rgb) -> bool {
        near(shown, wanted) || self.looks(shown) == self.looks(wanted)
    }

    /// Draws `wanted` at (`x`, `y`) from the terminal's upper left; returns what is then seen, which
    /// is no further than [`TOLERANCE`] from it (with 256 colours: from what they are nearest to).
    pub(crate) fn draw(&mut self, x: u16, y: u16, wanted: Shown) -> Shown {
        self.move_to(x, y);
        let shown = match (wanted, self.mode.render) {
            (Shown::Blank, _) => self.blank(),
            (Shown::Pixels(top, bottom), Render::HalfBlock) => self.half_block(top, bottom),
            (Shown::Pixels(pixel, _), Render::Ascii) => self.ascii(pixel),
        };
        self.cursor = Some((x + 1, y));
        shown
    }

    fn blank(&mut self) -> Shown {
        if self.bg.take().is_some() {
            self.out.extend_from_slice(b"\x1b[49m");
        }
        self.out.push(b' ');
        Shown::Blank
    }

    fn half_block(&mut self, top: Rgb, bottom: Rgb) -> Shown {
        let fits = |pen: Option<Rgb>, rgb| pen.is_some_and(|pen| self.alike(pen, rgb));
        if fits(self.bg, top) && fits(self.bg, bottom) || self.alike(top, bottom) {
            // Where the background at hand fits one of the two, it has to fit the other.
            let ground = if fits(self.bg, top) { bottom } else { top };
            let (_, bg) = self.set(None, Some(ground));
            self.out.push(b' ');
            return Shown::Pixels(bg, bg);
        }
        // `▄` says the same as `▀` with the colours swapped: whichever has more of them at hand.
        let upper = u8::from(fits(self.fg, top)) + u8::from(fits(self.bg, bottom));
        let lower = u8::from(fits(self.fg, bottom)) + u8::from(fits(self.bg, top));
        if upper >= lower {
            let (top, bottom) = self.set(Some(top), Some(bottom));
            self.out.extend_from_slice("▀".as_bytes());
            Shown::Pixels(top, bottom)
        } else {
            let (bottom, top) = self.set(Some(bottom), Some(top));
            self.out.extend_from_slice("▄".as_bytes());
            Shown::Pixels(top, bottom)
        }
    }

    fn ascii(&mut self, pixel: Rgb) -> Shown {
        let glyph = glyph(pixel);
        let seen = if glyph == b' ' || self.mode.color == Color::Mono {
            pixel
        } else {
            self.set(Some(pixel), None).0
        };
        self.out.push(glyph);
        Shown::Pixels(seen, seen)
    }

    /// Makes the pen's colours these (`None`: any), or keeps those that are alike. Returns the colours
    /// to remember: what is seen, or of a palette what it stands for.
    fn set(&mut self, fg: Option<Rgb>, bg: Option<Rgb>) -> (Rgb, Rgb) {
        let changes = |pen: Option<Rgb>, rgb: Option<Rgb>| {
            rgb.filter(|rgb| !pen.is_some_and(|pen| self.alike(pen, *rgb)))
        };
        let (new_fg, new_bg) = (changes(self.fg, fg), changes(self.bg, bg));
        let mut lead: &[u8] = b"\x1b[";
        for (new, layer) in [(new_fg, b"38;"), (new_bg, b"48;")] {
            let Some(rgb) = new else { continue };
            self.out.extend_from_slice(lead);
            self.out.extend_from_slice(layer);
            self.push_color(rgb);
            lead = b";";
        }
        if lead == b";" {
            self.out.push(b'm');
        }
        (self.fg, self.bg) = (new_fg.or(self.fg), new_bg.or(self.bg));
        let seen = |pen: Option<Rgb>, rgb: Option<Rgb>| match self.mode.color {
            Color::True => pen.unwrap_or_default(),
            Color::Ansi256 | Color::Mono => rgb.or(pen).unwrap_or_default(),
        };
        (seen(self.fg, fg), seen(self.bg, bg))
    }

    fn push_color(&mut self, rgb: Rgb) {
        match self.mode.color {
            Color::True => {
                self.out.push(b'2');
                for value in rgb {
                    self.out.push(b';');
                    self.push_number(value);
                }
            }
            Color::Ansi256 | Color::Mono => {
                self.out.extend_from_slice(b"5;");
                self.push_number(nearest(rgb));
            }
        }
    }

    fn push_number(&mut self, number: impl itoa::Integer) {
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    fn move_to(&mut self, x: u16, y: u16) {
        self.out.extend_from_slice(match self.cursor {
            Some(cursor) if cursor == (x, y) => return,
            _ => b"\x1b[",
        });
        match self.cursor {
            Some((from, row)) if row == y && from < x => {
                if x - from > 1 {
                    self.push_number(x - from);
                }
                self.out.push(b'C');
            }
            _ => {
                self.push_number(y + 1);
                self.out.push(b';');
                self.push_number(x + 1);
                self.out.push(b'H');
            }
        }
    }

    /// Whether one may stand for the other.
    fn alike(&self, a: Rgb, b: Rgb) -> bool {
        match self.mode.color {
            Color::True => near(a, b),
            Color::Ansi256 | Color::Mono => nearest(a) == nearest(b),
        }
    }

    /// Equal for colours that become the same bytes.
    fn looks(&self, rgb: Rgb) -> (u8, Option<Rgb>, Option<u8>) {
        let glyph = match self.mode.render {
            Render::HalfBlock => 0,
            Render::Ascii => glyph(rgb),
        };
        match self.mode.color {
            Color::True => (glyph, Some(rgb), None),
            Color::Ansi256 => (glyph, None, Some(nearest(rgb))),
            Color::Mono => (glyph, None, None),
        }
    }
}

fn near(a: Rgb, b: Rgb) -> bool {
    a[0].abs_diff(b[0]) <= TOLERANCE
        && a[1].abs_diff(b[1]) <= TOLERANCE
        && a[2].abs_diff(b[2]) <= TOLERANCE
}

/// The character for a pixel's brightness (luma of BT.601).
pub(crate) fn glyph([r, g, b]: Rgb) -> u8 {
    let luma = (u32::from(r) * 299 + u32::from(g) * 587 + u32::from(b) * 114) / 1000;
    RAMP[luma as usize * RAMP.len() / 256]
}
