//! Pixels to sixels: of each band of six rows, the columns of each colour, one bit a row.

use crate::{
    dither::{Dithered, Fate, LEVELS},
    modes::sixel,
    motion::number,
};

/// Pixels of a band, over one another.
const BAND: usize = 6;
const COLORS: usize = sixel::COLORS as usize;
/// The character without any pixel.
const BLANK: u8 = b'?';
/// A run of as many is not longer than its repetition (`!4?`).
const SHORT_RUN: usize = 3;
/// Pixels of a row that are looked at together.
const PART: usize = 16;

/// A part of a picture, in pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
    /// Whether also those pixels are sent that did not change.
    pub(super) is_whole: bool,
}

impl Tile {
    /// Whether any of its pixels changed.
    pub(super) fn is_changed(self, picture: &Dithered) -> bool {
        let mut rows = self.y..self.y + self.height;
        rows.any(|y| picture.fates(y)[self.x..][..self.width].contains(&Fate::Changed))
    }
}

/// Where in a band a colour is.
#[derive(Debug, Clone, Copy)]
struct Span {
    color: usize,
    first: usize,
    last: usize,
}

pub(super) struct Encoder {
    /// Whether the terminal keeps what a colour is.
    keeps_colors: bool,
    /// Whether it was told.
    is_known: [bool; COLORS],
    /// Of a band, the pixels of each colour in each column.
    masks: Vec<u8>,
    spans: [Option<Span>; COLORS],
    used: Vec<usize>,
    /// Which parts of the band have pixels that changed.
    is_touched: Vec<bool>,
}

impl Encoder {
    pub(super) fn new(keeps_colors: bool) -> Self {
        Self {
            keeps_colors,
            is_known: [false; COLORS],
            masks: Vec::new(),
            spans: [None; COLORS],
            used: Vec::new(),
            is_touched: Vec::new(),
        }
    }

    /// Whether the terminal knows any colour.
    pub(super) fn has_colors(&self) -> bool {
        self.is_known.contains(&true)
    }

    /// The terminal may have lost the colours.
    pub(super) fn forget_colors(&mut self) {
        self.is_known.fill(false);
    }

    /// Appends a command that draws what changed of a tile at the cursor.
    pub(super) fn push(&mut self, picture: &mut Dithered, tile: Tile, out: &mut Vec<u8>) {
        if !self.keeps_colors {
            self.forget_colors();
        }
        self.masks.resize(COLORS * tile.width, 0);
        // Pixels that are left out stay as they are.
        out.extend_from_slice(b"\x1bP0;1q");
        let mut down = 0;
        for top in (tile.y..tile.y + tile.height).step_by(BAND) {
            let rows = top..(top + BAND).min(tile.y + tile.height);
            self.is_touched.clear();
            self.is_touched.resize(tile.width.div_ceil(PART), false);
            for y in rows.clone() {
                self.collect(picture, tile, y, 1 << (y - top));
            }
            if !tile.is_whole && !self.used.is_empty() {
                for y in rows {
                    self.take_along(picture, tile, y, 1 << (y - top));
                }
            }
            if !self.used.is_empty() {
                out.extend(std::iter::repeat_n(b'-', std::mem::take(&mut down)));
                self.band(tile.width, out);
            }
            down += 1;
        }
        out.extend_from_slice(b"\x1b\\");
    }

    /// Adds a row to the band.
    fn collect(&mut self, picture: &Dithered, tile: Tile, y: usize, bit: u8) {
        let fates = &picture.fates(y)[tile.x..][..tile.width];
        for (part, fates) in fates.chunks(PART).enumerate() {
            if !tile.is_whole && !fates.contains(&Fate::Changed) {
                continue;
            }
            self.is_touched[part] = true;
            for (at, fate) in fates.iter().enumerate() {
                if *fate != Fate::Changed && !tile.is_whole {
                    continue;
                }
                let x = part * PART + at;
                let color = usize::from(picture.color(y, tile.x + x));
                self.masks[color * tile.width + x] |= bit;
                if let Some(span) = &mut self.spans[color] {
                    (span.first, span.last) = (span.first.min(x), span.last.max(x));
                } else {
                    self.spans[color] = Some(Span { color, first: x, last: x });
                    self.used.push(color);
                }
            }
        }
    }

    /// Adds pixels of a row that were kept, but are nearer to a colour that their column has in the
    /// band: one more bit of a character costs nothing, unless it breaks a run.
    fn take_along(&mut self, picture: &mut Dithered, tile: Tile, y: usize, bit: u8) {
        for part in (0..self.is_touched.len()).filter(|part| self.is_touched[*part]) {
            for x in part * PART..((part + 1) * PART).min(tile.width) {
                if picture.fates(y)[tile.x + x] != Fate::Kept {
                    continue;
                }
                let color = picture.nearest(y, tile.x + x);
                let masks = &mut self.masks[usize::from(color) * tile.width..][..tile.width];
                let neighbours = [x.wrapping_sub(1), x + 1].map(|x| masks.get(x).copied());
                if masks[x] != 0 && neighbours != [Some(masks[x]); 2] {
                    masks[x] |= bit;
                    picture.improve(y, tile.x + x);
                }
            }
        }
    }

    /// Appends the band that was collected. Colours that do not overlap go in one pass from left to
    /// right.
    fn band(&mut self, width: usize, out: &mut Vec<u8>) {
        let spans = &mut self.spans;
        let mut left: Vec<Span> = self.used.drain(..).filter_map(|c| spans[c].take()).collect();
        left.sort_unstable_by_key(|span| span.first);
        let mut is_first = true;
        while !left.is_empty() {
            if !std::mem::take(&mut is_first) {
                out.push(b'$');
            }
            let mut x = 0;
            left.retain(|span| {
                let is_behind = span.first >= x;
                if is_behind {
                    select(span.color, &mut self.is_known, out);
                    run(BLANK, span.first - x, out);
                    let masks = &mut self.masks[span.color * width..][span.first..=span.last];
                    columns(masks, out);
                    masks.fill(0);
                    x = span.last + 1;
                }
                !is_behind
            });
        }
    }
}

/// Appends the choice of a colour, after what it is where that is not known. To say that chooses it by
/// the standard, but not in xterm.
fn select(color: usize, is_known: &mut [bool; COLORS], out: &mut Vec<u8>) {
    if !std::mem::replace(&mut is_known[color], true) {
        let levels = usize::from(LEVELS);
        out.push(b'#');
        number(color, out);
        out.extend_from_slice(b";2");
        for level in [color / (levels * levels), color / levels % levels, color % levels] {
            out.push(b';');
            // In percent, which the levels are whole numbers of.
            number(level * 100 / (levels - 1), out);
        }
    }
    out.push(b'#');
    number(color, out);
}

fn columns(masks: &[u8], out: &mut Vec<u8>) {
    for same in masks.chunk_by(|a, b| a == b) {
        run(BLANK + same[0], same.len(), out);
    }
}

/// Appends a character so many times.
fn run(character: u8, count: usize, out: &mut Vec<u8>) {
    if count > SHORT_RUN {
        out.push(b'!');
        number(count, out);
        out.push(character);
    } else {
        out.extend(std::iter::repeat_n(character, count));
    }
}
