//! Letters, by the shape of what is to be seen, in its colour where there are colours.
//!
//! A letter is ink in the eighths of its cell, and the error of a page of them counts as the eye blurs
//! it, like that of dots (`blur.rs`): of all letters, the one whose ink is nearest.

use crate::{
    blur::{Blur, Coupling, RADIUS, dot},
    cells::{Artist, Scene},
    charset::Charset,
    ground::Cell,
    layout::{Layout, Planes},
    letterforms::{FIRST, FORMS},
    motion::{Motion, Place, number},
    palette::{Palette, brightness},
    simd::wide,
    split::{Color, distance, mean},
    tried::Tried,
};

/// Pixels of a cell, side by side and over one another.
pub(crate) const ACROSS: usize = 2;
pub(crate) const DOWN: usize = 4;
const PIXELS: usize = ACROSS * DOWN;

/// How much more a byte costs than in 24 bits: letters show little, and change for less.
const PRICE: f32 = 5.0;
/// Bytes of a new colour.
const COLOR: f32 = 16.0;

/// The colours of the letters.
pub(crate) enum Dye {
    /// The terminal's own.
    None,
    /// Those of a palette.
    Palette(Palette),
    /// 24 bits.
    True,
}

/// How much ink there is in each pixel of a cell.
type Ink = [[f32; 1]; PIXELS];

/// A letter as it is seen: its ink, where that of the darkest is 255.
struct Letter {
    byte: u8,
    ink: Ink,
}

/// Letters that are compared at once.
const LANES: usize = 8;
/// Room for all letters, in whole lanes.
const ROOM: usize = FORMS.len().next_multiple_of(LANES);

/// Draws letters.
pub(crate) struct Letters {
    dye: Dye,
    is_light: bool,
    /// Beginning with the space.
    letters: Vec<Letter>,
    /// The ink of all letters, pixel by pixel.
    inks: [[f32; ROOM]; PIXELS],
    /// The error of each one's ink where none is wanted.
    energies: [f32; ROOM],
    blur: Blur<1>,
    coupling: Coupling<PIXELS>,
    /// Which letter each cell shows, and in which colour.
    shown: Vec<(usize, Color)>,
    /// The ink that each pixel should have.
    wanted: Vec<f32>,
    /// The ink that each pixel has.
    inked: Vec<f32>,
    /// Of each cell of a row, the most that another letter can take away of the error.
    most: Vec<f32>,
    tried: Tried,
}

impl Letters {
    pub(crate) fn new(dye: Dye, is_light: bool, charset: Charset) -> Self {
        let blur = Blur::new();
        let coupling = Coupling::new(&blur, ACROSS);
        let form = |byte: u8| &FORMS[usize::from(byte - FIRST)];
        let most = charset.letters().map(|byte| total(form(byte))).fold(0.0, f32::max);
        let letter = |byte| {
            let ink = form(byte).map(|part| [f32::from(part) * 255.0 * PIXELS as f32 / most]);
            Letter { byte, ink }
        };
        let letters: Vec<_> = charset.letters().map(letter).collect();
        // Where there is no letter, the error is beyond any other.
        let (mut inks, mut energies) = ([[0.0; ROOM]; PIXELS], [f32::MAX; ROOM]);
        for (index, Letter { ink, .. }) in letters.iter().enumerate() {
            energies[index] = dot(ink, &coupling.spread(ink));
            inks.iter_mut().zip(ink).for_each(|(inks, ink)| inks[index] = ink[0]);
        }
        let (shown, [wanted, inked, most]) = (Vec::new(), [(); 3].map(|()| Vec::new()));
        let tried = Tried::default();
        Self {
            dye,
            is_light,
            letters,
            inks,
            energies,
            blur,
            coupling,
            shown,
            wanted,
            inked,
            most,
            tried,
        }
    }

    /// Begins with the errors of what is shown. Where nothing is known there is none to make up for.
    fn start(&mut self, scene: &Scene<'_>) {
        let layout = scene.layout;
        self.shown.resize(layout.cells(), (0, [0.0; 3]));
        self.inked.resize(layout.pixels(), 0.0);
        self.wanted.resize(layout.pixels(), 0.0);
        self.most.resize(layout.columns, 0.0);
        self.tried.resize(layout.cells());
        wide!(ink(scene.wanted, self.is_light, &mut self.wanted));
        for place in layout.places().filter(|place| scene.cell(*place) != Cell::Picture) {
            for at in (0..PIXELS).map(|pixel| layout.at(place, pixel)) {
                self.inked[at] = self.wanted[at];
            }
        }
        let (wanted, inked, width) = (&self.wanted, &self.inked, layout.width());
        self.blur.start(width, layout.rows * layout.down, |y, row| {
            let pixels = inked[y * width..].iter().zip(&wanted[y * width..]);
            row.iter_mut().zip(pixels).for_each(|(error, (inked, wanted))| *error = inked - wanted);
        });
    }

    /// The letter for a cell whose ink is `old` at present: another than `shown` where it leaves an
    /// error that is smaller by more than `least`.
    fn better(&self, layout: Layout, cell: Place, shown: usize, old: &Ink, least: f32) -> usize {
        let blurred: Ink = std::array::from_fn(|pixel| self.blur.at(layout.pixel(cell, pixel)));
        // No letter takes away more than all of it.
        if dot(&self.coupling.solve(&blurred), &blurred) <= least {
            return shown;
        }
        let spread = self.coupling.spread(old);
        let goal = std::array::from_fn(|pixel| [spread[pixel][0] - blurred[pixel][0]]);
        let (best, gain) = wide!(self.best(&goal, shown));
        if gain > least { best } else { shown }
    }

    /// The letter that leaves the least error around a cell, and how much more the letter `shown`
    /// leaves.
    #[inline(always)]
    fn best(&self, goal: &Ink, shown: usize) -> (usize, f32) {
        let mut scores = self.energies;
        for (chunk, scores) in scores.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            for (inks, goal) in self.inks.iter().zip(goal) {
                let (twice, inks) = (2.0 * goal[0], &inks.as_chunks::<LANES>().0[chunk]);
                scores.iter_mut().zip(inks).for_each(|(score, ink)| *score -= twice * ink);
            }
        }
        // The least of each lane, then of all.
        let mut least = [f32::MAX; LANES];
        for scores in scores.as_chunks::<LANES>().0 {
            least.iter_mut().zip(scores).for_each(|(least, score)| *least = least.min(*score));
        }
        let least = least.into_iter().fold(f32::MAX, f32::min);
        let best = scores.iter().position(|score| *score == least).unwrap_or(0);
        (best, scores[shown] - least)
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

    /// Whether one colour may stand for the other.
    fn is_alike(&self, a: Color, b: Color, price: f32) -> bool {
        let is_same = match &self.dye {
            Dye::None => true,
            Dye::Palette(palette) => palette.nearest(a) == palette.nearest(b),
            Dye::True => a == b,
        };
        is_same || distance(a, b) <= price * COLOR / PIXELS as f32
    }
}

impl Artist for Letters {
    fn sees_colors(&self) -> bool {
        !matches!(self.dye, Dye::None)
    }

    fn draw(&mut self, scene: &mut Scene<'_>, out: &mut Vec<u8>) {
        self.start(scene);
        let layout = scene.layout;
        let motion = Motion { origin: scene.origin, columns: layout.columns as u32 };
        let (mut cursor, mut pen) = (None, None::<Color>);
        // How far a change is seen to the right, in cells, and where the last one is seen no more.
        let reach = RADIUS.div_ceil(ACROSS) as u32;
        let mut changed = 0;
        for (cell, place) in layout.places().enumerate() {
            if place.x == 0 {
                changed = 0;
                self.coupling.vanishing(&self.blur, place.y as usize, ACROSS, &mut self.most);
            }
            let is_known = match scene.cell(place) {
                Cell::Covered => continue,
                Cell::Unknown | Cell::Blank => false,
                Cell::Picture => true,
            };
            let price = scene.price * PRICE;
            let has_no_color = matches!(self.dye, Dye::None);
            let most = self.most[place.x as usize];
            let is_exact = is_known && place.x >= changed && has_no_color;
            if is_exact && (most <= price || self.tried.is_vain(cell, most, scene.price)) {
                continue;
            }
            let (shown, shown_color) = self.shown[cell];
            let old = std::array::from_fn(|pixel| [self.inked[layout.at(place, pixel)]]);
            let bytes = if cursor == Some(place) { 1 } else { motion.cost(cursor, place) + 1 };
            let least = if is_known { price * bytes as f32 } else { f32::MIN };
            let letter = self.better(layout, place, shown, &old, least);
            let color = if has_no_color {
                [0.0; 3]
            } else {
                mean(&layout.gather::<PIXELS>(scene.wanted, place), u8::MAX)
            };
            let has_color = is_known && self.is_alike(shown_color, color, scene.price);
            if is_known && letter == shown && (has_color || letter == 0) {
                self.tried.note(cell, most, scene.price);
                continue;
            }
            changed = place.x + 1 + reach;
            self.tried.forget(cell);
            motion.push(cursor, place, out);
            if letter != 0 && !pen.is_some_and(|pen| self.is_alike(pen, color, scene.price)) {
                self.push_color(color, out);
                pen = Some(color);
            }
            out.push(self.letters[letter].byte);
            cursor = Some(place.next());
            for (pixel, (new, old)) in self.letters[letter].ink.iter().zip(old).enumerate() {
                self.inked[layout.at(place, pixel)] = new[0];
                self.blur.add(layout.pixel(place, pixel), [new[0] - old[0]]);
            }
            self.shown[cell] = (letter, pen.unwrap_or(color));
            scene.set(place, Cell::Picture);
        }
        if pen.is_some() && !matches!(self.dye, Dye::None) {
            out.extend_from_slice(b"\x1b[m");
        }
    }
}

/// Sets the ink that each pixel should have.
#[inline(always)]
fn ink(picture: &Planes, is_light: bool, ink: &mut [f32]) {
    brightness(picture, ink);
    if is_light {
        ink.iter_mut().for_each(|ink| *ink = 255.0 - *ink);
    }
}

fn total(form: &[u8; PIXELS]) -> f32 {
    form.iter().map(|part| f32::from(*part)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_all_letters_the_one_that_looks_like_it_is_chosen() {
        let letters = Letters::new(Dye::None, false, Charset::ALL);
        for letter in &letters.letters {
            let goal = letters.coupling.spread(&letter.ink);
            let (best, _) = letters.best(&goal, 0);
            assert_eq!(letters.letters[best].ink, letter.ink, "{}", letter.byte);
        }
    }
}
