//! Cells in two colours of 24 bits.

use crate::{
    cells::{Artist, Scene},
    glyphs::GlyphTable,
    ground::Cell,
    ink::{Ink, Mixer},
    layout::{Layout, Planes},
    modes::Symbols,
    motion::Motion,
    search::{Search, Stroke, Task, UNKNOWN},
};

/// Draws cells of `N` pixels.
pub(crate) struct Colored<const N: usize> {
    glyphs: GlyphTable,
    search: Search<N>,
    mixer: Mixer,
    /// The picture as the terminal shows it.
    shown: Planes,
    errors: Vec<f32>,
    row: Vec<i32>,
}

impl<const N: usize> Colored<N> {
    pub(crate) fn new(symbols: &Symbols, repeats: bool) -> Self {
        Self {
            glyphs: GlyphTable::new(N, symbols.glyph, repeats),
            search: Search::new(),
            mixer: Mixer::default(),
            shown: Planes::default(),
            errors: Vec::new(),
            row: Vec::new(),
        }
    }
}

impl<const N: usize> Artist for Colored<N> {
    fn draw(&mut self, scene: &mut Scene<'_>, out: &mut Vec<u8>) {
        let Scene { layout, wanted, weights, price, .. } = *scene;
        for plane in &mut self.shown {
            plane.resize(layout.pixels(), 0);
        }
        layout.differences(&self.shown, wanted, &mut self.row, &mut self.errors);
        let rows = self.errors.chunks_exact_mut(layout.columns);
        for (y, (errors, weights)) in rows.zip(weights.chunks_exact(layout.columns)).enumerate() {
            for ((error, weight), cell) in errors.iter_mut().zip(weights).zip(scene.row(y)) {
                *error = match cell {
                    Cell::Covered => 0.0,
                    Cell::Unknown | Cell::Blank => UNKNOWN,
                    Cell::Picture => *error * weight,
                };
            }
        }
        let (glyphs, errors) = (&self.glyphs, self.errors.as_slice());
        let motion = Motion { origin: scene.origin, columns: layout.columns as u32 };
        let task = Task { glyphs, motion, layout, wanted, errors, weights, price };
        let strokes = self.search.strokes(&task);
        let inks = self.mixer.mix(strokes, layout, wanted, weights, price);
        write(strokes, inks, glyphs, motion, out);
        keep(strokes, inks, layout, &mut self.shown);
        strokes.iter().for_each(|stroke| scene.set(stroke.place, Cell::Picture));
    }
}

/// Appends the bytes that draw the strokes. Colours are the terminal's own before and after.
fn write(
    mut strokes: &[Stroke],
    inks: &[Ink],
    glyphs: &GlyphTable,
    motion: Motion,
    out: &mut Vec<u8>,
) {
    let mut inks = inks.iter();
    let (mut front, mut back) = (None, None);
    let mut cursor = None;
    while let Some(stroke) = strokes.first() {
        motion.push(cursor, stroke.place, out);
        let mut lead: &[u8] = b"\x1b[";
        let layers = [(stroke.new_front, &mut front, b'3'), (stroke.new_back, &mut back, b'4')];
        for (_, pen, layer) in layers.into_iter().filter(|(is_new, ..)| *is_new) {
            let ink = inks.next();
            if std::mem::replace(pen, ink) != ink
                && let Some(ink) = ink
            {
                out.extend_from_slice(lead);
                out.push(layer);
                ink.push(out);
                lead = b";";
            }
        }
        if lead == b";" {
            out.push(b'm');
        }
        let run = run(strokes);
        glyphs.push(stroke.mask, run, out);
        cursor = Some(strokes[run - 1].place.next());
        strokes = &strokes[run..];
    }
    if front.is_some() || back.is_some() {
        out.extend_from_slice(b"\x1b[m");
    }
}

/// How many strokes from the first on are of the same glyph and colours, side by side.
fn run(strokes: &[Stroke]) -> usize {
    let first = strokes[0];
    let goes_on = |(index, stroke): &(usize, &Stroke)| {
        *index == 0
            || stroke.place.y == first.place.y
                && stroke.place.x as usize == first.place.x as usize + index
                && stroke.mask == first.mask
                && !stroke.new_front
                && !stroke.new_back
    };
    strokes.iter().enumerate().take_while(goes_on).count()
}

/// Keeps what the strokes show.
fn keep(strokes: &[Stroke], inks: &[Ink], layout: Layout, shown: &mut Planes) {
    let mut inks = inks.iter().map(|ink| ink.rgb);
    let (mut front, mut back) = ([0; 3], [0; 3]);
    for stroke in strokes {
        for (is_new, pen) in [(stroke.new_front, &mut front), (stroke.new_back, &mut back)] {
            if is_new {
                *pen = inks.next().unwrap_or(*pen);
            }
        }
        for pixel in 0..layout.across * layout.down {
            let color = if stroke.is_front(pixel) { front } else { back };
            let at = layout.at(stroke.place, pixel);
            shown.iter_mut().zip(color).for_each(|(plane, value)| plane[at] = value);
        }
    }
}
