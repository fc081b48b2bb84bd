//! Cells to bytes: cursor moves, colours (ECMA-48 SGR) and characters, and none that can be spared.

use crate::{
    mode::Color,
    palette::{Rgb, nearest},
};

/// Most a colour on the screen may differ from the picture, in each channel. Below it noise and
/// gradients cost no bytes, and nobody sees it.
pub(crate) const TOLERANCE: u8 = 4;

/// Draws cells one after the other, left to right and top to bottom. It starts with the terminal's
/// own colours, and leaves them when it is finished.
pub(crate) struct Pen<'a> {
    color: Color,
    out: &'a mut Vec<u8>,
    /// Column and row the terminal's cursor is at, once known.
    cursor: Option<(u16, u16)>,
    /// `None` is the terminal's own.
    fg: Option<Rgb>,
    bg: Option<Rgb>,
}

impl<'a> Pen<'a> {
    pub(crate) fn new(color: Color, out: &'a mut Vec<u8>) -> Self {
        Self { color, out, cursor: None, fg: None, bg: None }
    }

    pub(crate) fn color(&self) -> Color {
        self.color
    }

    pub(crate) fn finish(self) {
        if self.fg.is_some() || self.bg.is_some() {
            self.out.extend_from_slice(b"\x1b[m");
        }
    }

    /// Moves to the cell `x`, `y` from the terminal's upper left, which is drawn next.
    pub(crate) fn begin(&mut self, x: u16, y: u16) {
        self.move_to(x, y);
        self.cursor = Some((x + 1, y));
    }

    /// Draws the terminal's own background.
    pub(crate) fn blank(&mut self) {
        if self.bg.take().is_some() {
            self.out.extend_from_slice(b"\x1b[49m");
        }
        self.out.push(b' ');
    }

    /// Draws `character` in whatever colour is at hand.
    pub(crate) fn character(&mut self, character: u8) {
        self.out.push(character);
    }

    /// Draws `character` in a colour; returns the colour to remember.
    pub(crate) fn colored(&mut self, character: u8, fg: Rgb) -> Rgb {
        let (seen, _) = self.set(Some(fg), None);
        self.out.push(character);
        seen
    }

    /// Draws a space where the two colours may be one; returns the colour to remember.
    pub(crate) fn plain(&mut self, a: Rgb, b: Rgb) -> Option<Rgb> {
        let at_hand = |rgb| self.bg.is_some_and(|pen| self.alike(pen, rgb));
        let (hand_a, hand_b) = (at_hand(a), at_hand(b));
        if !(hand_a && hand_b || self.alike(a, b)) {
            return None;
        }
        // Where the background at hand fits one of the two, it has to fit the other.
        let (_, seen) = self.set(None, Some(if hand_a { b } else { a }));
        self.out.push(b' ');
        Some(seen)
    }

    /// How many of the two colours need not be sent.
    pub(crate) fn at_hand(&self, fg: Rgb, bg: Rgb) -> u8 {
        let fits = |pen: Option<Rgb>, rgb| pen.is_some_and(|pen| self.alike(pen, rgb));
        u8::from(fits(self.fg, fg)) + u8::from(fits(self.bg, bg))
    }

    /// Draws `glyph` in two colours; returns those to remember.
    pub(crate) fn glyph(&mut self, glyph: &str, fg: Rgb, bg: Rgb) -> (Rgb, Rgb) {
        let seen = self.set(Some(fg), Some(bg));
        self.out.extend_from_slice(glyph.as_bytes());
        seen
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
        let seen = |pen: Option<Rgb>, rgb: Option<Rgb>| match self.color {
            Color::True => pen.unwrap_or_default(),
            Color::Ansi256 | Color::Mono => rgb.or(pen).unwrap_or_default(),
        };
        (seen(self.fg, fg), seen(self.bg, bg))
    }

    fn push_color(&mut self, rgb: Rgb) {
        match self.color {
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
        match self.color {
            Color::True => near(a, b),
            Color::Ansi256 | Color::Mono => nearest(a) == nearest(b),
        }
    }
}

/// Whether nobody sees the difference.
pub(crate) fn near(a: Rgb, b: Rgb) -> bool {
    a[0].abs_diff(b[0]) <= TOLERANCE
        && a[1].abs_diff(b[1]) <= TOLERANCE
        && a[2].abs_diff(b[2]) <= TOLERANCE
}

/// Whether they become the same bytes.
pub(crate) fn same(color: Color, a: Rgb, b: Rgb) -> bool {
    match color {
        Color::True => a == b,
        Color::Ansi256 | Color::Mono => nearest(a) == nearest(b),
    }
}

pub(crate) fn near_or_same(color: Color, a: Rgb, b: Rgb) -> bool {
    near(a, b) || same(color, a, b)
}
