//! Letters, by the shape of what is to be seen, in its colour where there are colours.
//!
//! A letter is ink in the eighths of its cell, and the error of a page of them counts as the eye blurs
//! it, like that of dots (`blur.rs`): of all letters, the one whose ink is nearest.

use crate::{
    blur::{Blur, Coupling, Error},
    cells::{Artist, Scene},
    charset::Charset,
    ground::Cell,
    letterforms::{FIRST, FORMS},
    motion::{Motion, number},
    palette::{Palette, luma},
    split::{Color, distance, mean},
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

/// A letter as it is seen: its ink, where that of the darkest is 255.
struct Letter {
    byte: u8,
    ink: [f32; PIXELS],
    /// The error of its ink where none is wanted.
    energy: f32,
}

/// Draws letters.
pub(crate) struct Letters {
    dye: Dye,
    is_light: bool,
    /// Beginning with the space.
    letters: Vec<Letter>,
    blur: Blur,
    coupling: Coupling<PIXELS>,
    /// Which letter each cell shows, and in which colour.
    shown: Vec<(usize, Color)>,
}

impl Letters {
    pub(crate) fn new(dye: Dye, is_light: bool, charset: Charset) -> Self {
        let blur = Blur::new();
        let coupling = Coupling::new(&blur, ACROSS);
        let form = |byte: u8| &FORMS[usize::from(byte - FIRST)];
        let most = charset.letters().map(|byte| total(form(byte))).fold(0.0, f32::max);
        let letter = |byte| {
            let ink = form(byte).map(|part| f32::from(part) * 255.0 * PIXELS as f32 / most);
            Letter { byte, ink, energy: dot(&ink, &coupling.spread(&ink)) }
        };
        let letters = charset.letters().map(letter).collect();
        Self { dye, is_light, letters, blur, coupling, shown: Vec::new() }
    }

    /// The ink that a pixel should have.
    fn wanted(&self, color: Color) -> f32 {
        if self.is_light { 255.0 - luma(color) } else { luma(color) }
    }

    /// Begins with the errors of what is shown. Where nothing is known there is none to make up for.
    fn start(&mut self, scene: &Scene<'_>) {
        let layout = scene.layout;
        self.shown.resize(layout.cells(), (0, [0.0; 3]));
        let mut errors = vec![[0.0; 4]; layout.pixels()];
        for cell in (0..layout.cells()).filter(|cell| scene.cell(*cell) == Cell::Picture) {
            let ink = self.letters[self.shown[cell].0].ink;
            let colors = layout.gather::<PIXELS>(scene.wanted, layout.place(cell));
            for (pixel, (ink, color)) in ink.iter().zip(colors).enumerate() {
                errors[layout.at(cell, pixel)][0] = ink - self.wanted(color);
            }
        }
        self.blur.start(layout.width(), layout.rows * layout.down, |pixel| errors[pixel]);
    }

    /// The letter that leaves the least error around a cell, and how much more the letter `shown`
    /// leaves.
    fn best(&self, goal: &[f32; PIXELS], shown: usize) -> (usize, f32) {
        let score = |letter: &Letter| letter.energy - 2.0 * dot(&letter.ink, goal);
        let scores = self.letters.iter().map(score).enumerate();
        let best = scores.min_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap_or((0, 0.0));
        (best.0, score(&self.letters[shown]) - best.1)
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
    fn draw(&mut self, scene: &mut Scene<'_>, out: &mut Vec<u8>) {
        self.start(scene);
        let layout = scene.layout;
        let motion = Motion { origin: scene.origin, columns: layout.columns as u32 };
        let (mut cursor, mut pen) = (None, None::<Color>);
        for cell in 0..layout.cells() {
            let is_known = match scene.cell(cell) {
                Cell::Covered => continue,
                Cell::Unknown | Cell::Blank => false,
                Cell::Picture => true,
            };
            let place = layout.place(cell);
            let colors = layout.gather::<PIXELS>(scene.wanted, place);
            let (shown, shown_color) = self.shown[cell];
            let old = if is_known {
                self.letters[shown].ink
            } else {
                colors.map(|color| self.wanted(color))
            };
            let blurred: [Error; PIXELS] =
                std::array::from_fn(|pixel| self.blur.at(layout.at(cell, pixel)));
            let spread = self.coupling.spread(&old);
            let goal = std::array::from_fn(|pixel| spread[pixel] - blurred[pixel][0]);
            let (best, gain) = self.best(&goal, shown);
            let bytes = if cursor == Some(place) { 1 } else { motion.cost(cursor, place) + 1 };
            let is_better = gain > scene.price * PRICE * bytes as f32;
            let color = mean(&colors, u8::MAX);
            let letter = if is_better || !is_known { best } else { shown };
            let has_color = is_known && self.is_alike(shown_color, color, scene.price);
            if is_known && letter == shown && (has_color || letter == 0) {
                continue;
            }
            motion.push(cursor, place, out);
            if letter != 0 && !pen.is_some_and(|pen| self.is_alike(pen, color, scene.price)) {
                self.push_color(color, out);
                pen = Some(color);
            }
            out.push(self.letters[letter].byte);
            cursor = Some(place.next());
            for (pixel, (new, old)) in self.letters[letter].ink.iter().zip(old).enumerate() {
                self.blur.add(layout.at(cell, pixel), [new - old, 0.0, 0.0, 0.0]);
            }
            self.shown[cell] = (letter, pen.unwrap_or(color));
            scene.set(cell, Cell::Picture);
        }
        if pen.is_some() && !matches!(self.dye, Dye::None) {
            out.extend_from_slice(b"\x1b[m");
        }
    }
}

fn total(form: &[u8; PIXELS]) -> f32 {
    form.iter().map(|part| f32::from(*part)).sum()
}

fn dot(a: &[f32; PIXELS], b: &[f32; PIXELS]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
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
