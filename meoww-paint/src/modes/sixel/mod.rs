//! Pictures as sixels (DEC STD 070; VT330/VT340 Programmer Reference Manual, volume 2, chapter 14).
//!
//! Only changes are sent, in the 216 colours of a cube: pixels that stay are left out, and so
//! are rows in which nothing changed. A picture goes in strips of a few rows of cells, a command each,
//! so that none is long, and each begins with a cell.

mod encoder;

use self::encoder::{Encoder, Tile};
use super::About;
use crate::{
    area::Rect,
    dither::{Dithered, LEVELS},
    ground::Cell,
    motion::control,
    pixels::{Picture, Plotter},
    quality::Quality,
    raster::Raster,
    simd::wide,
    visible::visible,
};

pub(crate) const ABOUT: About =
    About { name: "sixel", help: "Pixels in 216 colours, as sixels", needs_unicode: false };

/// The ways of a terminal with sixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SixelTraits {
    /// Whether the colours of one picture can be there for the next (private mode 1070).
    pub keeps_colors: bool,
    /// Whether tmux is in between, where a picture removes what it overlaps.
    pub in_tmux: bool,
    /// Pixels that a picture can have side by side.
    pub widest: u16,
}

/// Rows of cells in a strip, at least: less would cost more for the beginning of each than they spare.
const STRIP: u16 = 3;
/// tmux keeps few pictures (20 in version 3.5), so one may have so many strips.
const STRIPS_IN_TMUX: u16 = 8;
/// Of the usual quality, in 255ths of a level: see [`Dithered::update`]. It doubles as the step of a
/// quality does.
const USUAL_SLACK: u16 = 40;
/// Of the lowest.
const MOST_SLACK: u16 = 250;

/// Makes the terminal keep the colours of one picture for the next.
const KEEP_COLORS: &[u8] = b"\x1b[?1070l";
/// Lets each picture have its own again, as terminals that know the mode begin with.
pub const OWN_COLORS: &[u8] = b"\x1b[?1070h";
/// Colours that a terminal has to have at once.
pub const COLORS: u16 = (LEVELS as u16).pow(3);

pub(crate) struct Sixel {
    terminal: SixelTraits,
    dithered: Dithered,
    place: Rect,
    encoder: Encoder,
}

impl Sixel {
    pub(crate) fn new(terminal: SixelTraits) -> Self {
        Self {
            terminal,
            dithered: Dithered::default(),
            place: Rect::new(0, 0, 0, 0),
            encoder: Encoder::new(terminal.keeps_colors),
        }
    }

    /// Forgets what is shown in cells that may show anything.
    fn forget(&mut self, picture: &Picture<'_>) {
        for y in 0..usize::from(picture.place.height) {
            for x in 0..usize::from(picture.place.width) {
                if picture.cells[y * picture.stride + x] == Cell::Picture {
                    continue;
                }
                for row in y * picture.down..(y + 1) * picture.down {
                    self.dithered.forget(row, x * picture.across, picture.across);
                }
            }
        }
    }

    fn strip_rows(&self, rows: u16) -> u16 {
        let least = if self.terminal.in_tmux { rows.div_ceil(STRIPS_IN_TMUX) } else { 1 };
        least.max(STRIP)
    }
}

impl Plotter for Sixel {
    fn is_scaled(&self) -> bool {
        false
    }

    fn widest(&self) -> u16 {
        self.terminal.widest
    }

    fn draw(&mut self, picture: &mut Picture<'_>, out: &mut Vec<u8>) {
        let Raster { width, height, .. } = *picture.raster;
        let is_same = std::mem::replace(&mut self.place, picture.place) == picture.place;
        if !is_same || (width, height) != (self.dithered.width, self.dithered.height) {
            self.dithered.restart(width, height);
        }
        self.forget(picture);
        let usual =
            USUAL_SLACK * u16::from(picture.quality.step()) / u16::from(Quality::USUAL.step());
        let slack = if picture.quality.step() == 1 { 0 } else { usual.min(MOST_SLACK) };
        // At rest, less and less is kept.
        let slack = slack >> picture.rest.min(15);
        wide!(self.dithered.update(&picture.raster.channels, slack as u8));
        let place = picture.place;
        let strip = self.strip_rows(place.height);
        for part in visible(place.width, place.height, picture.cells, picture.stride) {
            for top in (part.y..part.y + part.height).step_by(strip.into()) {
                let rows = strip.min(part.y + part.height - top);
                let tile = Tile {
                    x: usize::from(part.x) * picture.across,
                    y: usize::from(top) * picture.down,
                    width: usize::from(part.width) * picture.across,
                    height: usize::from(rows) * picture.down,
                    is_whole: self.terminal.in_tmux,
                };
                if !tile.is_changed(&self.dithered) {
                    continue;
                }
                if self.terminal.keeps_colors && !self.encoder.has_colors() {
                    out.extend_from_slice(KEEP_COLORS);
                }
                control(&[place.y + top + 1, place.x + part.x + 1].map(u32::from), b'H', out);
                self.encoder.push(&mut self.dithered, tile, out);
            }
        }
        picture.drawn();
    }

    /// Cells that are drawn over it erase it.
    fn erase(&mut self, _: &mut Vec<u8>) {
        self.invalidate();
    }

    fn invalidate(&mut self) {
        self.encoder.forget_colors();
    }
}

#[cfg(test)]
mod tests;
