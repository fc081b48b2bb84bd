//! Cells in the colours of a palette, or in none.

use crate::{
    blur::{Blur, Coupling, Error},
    cells::{Artist, Scene},
    glyphs::GlyphTable,
    ground::Cell,
    layout::Layout,
    modes::Symbols,
    motion::{Motion, Place},
    palette::Palette,
    split::{Color, Splitter, distance, mean},
};

/// A new colour is for later cells, too, so its bytes count by this part.
const SHARED: f32 = 0.7;
/// How much more a byte costs than in 24 bits: after the blur an error is small, and the same price
/// would buy what is not seen.
const PRICE: f32 = 2.5;

/// Draws cells of `N` pixels in two colours each.
pub(crate) struct Indexed<const N: usize> {
    palette: Palette,
    glyphs: GlyphTable,
    splitter: Splitter<N>,
    blur: Blur,
    coupling: Coupling<N>,
    /// The colours of the pixels as the terminal shows them.
    shown: Vec<u8>,
}

/// A cell to be decided on.
struct Goal<const N: usize> {
    pixels: [Color; N],
    /// Colours that a cell is tried in beside those at hand.
    near: [u8; 3],
}

/// The pen, and the glyphs that are not sent yet, as more of the same may follow.
#[derive(Default)]
struct Pen {
    front: Option<u8>,
    back: Option<u8>,
    cursor: Option<Place>,
    mask: u8,
    run: usize,
}

/// A way to draw a cell.
#[derive(Clone, Copy)]
struct Choice {
    cost: f32,
    mask: u8,
    front: Option<u8>,
    back: Option<u8>,
}

impl<const N: usize> Indexed<N> {
    pub(crate) fn new(symbols: &Symbols, palette: Palette, repeats: bool) -> Self {
        let blur = Blur::new();
        let coupling = Coupling::new(&blur, symbols.across);
        Self {
            palette,
            glyphs: GlyphTable::new(N, symbols.glyph, repeats),
            splitter: Splitter::new(),
            blur,
            coupling,
            shown: Vec::new(),
        }
    }

    /// Begins with the errors of what is shown. Where nothing is known there is none to make up for.
    fn start(&mut self, scene: &Scene<'_>) {
        let layout = scene.layout;
        self.shown.resize(layout.pixels(), 0);
        let mut is_known = vec![false; layout.pixels()];
        for cell in (0..layout.cells()).filter(|cell| scene.cell(*cell) == Cell::Picture) {
            (0..N).for_each(|pixel| is_known[layout.at(cell, pixel)] = true);
        }
        let (palette, shown) = (&self.palette, &self.shown);
        self.blur.start(layout.width(), layout.rows * layout.down, |pixel| {
            if is_known[pixel] {
                error(palette.color(shown[pixel]), palette.wanted(scene.wanted, pixel))
            } else {
                [0.0; 4]
            }
        });
    }

    /// What each pixel of a cell should show so that all errors around it vanish, within reach.
    fn goal(&self, scene: &Scene<'_>, cell: usize, is_known: bool) -> [Color; N] {
        let layout = scene.layout;
        let reach = self.palette.reach();
        let blurred: [Error; N] = std::array::from_fn(|pixel| self.blur.at(layout.at(cell, pixel)));
        let steps = self.coupling.solve(&blurred);
        std::array::from_fn(|pixel| {
            let at = layout.at(cell, pixel);
            let wanted = self.palette.wanted(scene.wanted, at);
            let shown = if is_known { self.palette.color(self.shown[at]) } else { wanted };
            std::array::from_fn(|channel| {
                (shown[channel] - steps[pixel][channel])
                    .clamp(wanted[channel] - reach, wanted[channel] + reach)
            })
        })
    }

    /// The error of a cell, of which `color` says what each pixel shows.
    fn loss(&self, goal: &[Color; N], color: impl Fn(usize) -> Color) -> f32 {
        self.coupling.loss(&std::array::from_fn(|pixel| {
            let (shown, goal) = (color(pixel), goal[pixel]);
            [shown[0] - goal[0], shown[1] - goal[1], shown[2] - goal[2]]
        }))
    }

    /// The best glyph in two colours, and its error.
    fn fit(&self, goal: &[Color; N], front: u8, back: u8) -> (f32, u8) {
        let colors = [self.palette.color(back), self.palette.color(front)];
        let loss = |mask: u8| self.loss(goal, |pixel| colors[usize::from(mask >> pixel & 1)]);
        let nearest = goal.iter().enumerate().fold(0, |mask, (bit, pixel)| {
            let is_front = distance(*pixel, colors[1]) < distance(*pixel, colors[0]);
            mask | u8::from(is_front) << bit
        });
        // From there each pixel is tried the other way, as they make up for each other.
        let mut best = (loss(nearest), nearest);
        for bit in 0..N {
            let other = best.1 ^ 1 << bit;
            let loss = loss(other);
            if loss < best.0 {
                best = (loss, other);
            }
        }
        best
    }

    fn choose(&self, goal: &Goal<N>, pen: &Pen, way: u32, price: f32) -> Choice {
        let none = Choice { cost: f32::MAX, mask: 0, front: pen.front, back: pen.back };
        let mut best = none;
        let glyph = |mask: u8| {
            let run = if way == 0 && mask == pen.mask { pen.run } else { 0 };
            self.glyphs.cost(mask, run) as f32
        };
        let mut try_both = |front: Option<u8>, back: Option<u8>| {
            let (Some(f), Some(b)) = (front, back) else { return };
            let (loss, mask) = self.fit(&goal.pixels, f, b);
            let bytes = self.color_bytes(pen, front, back);
            let cost = loss + price * (way as f32 + bytes + glyph(mask));
            if cost < best.cost {
                best = Choice { cost, mask, front, back };
            }
        };
        try_both(pen.front, pen.back);
        if !self.palette.is_fixed() {
            for near in goal.near {
                try_both(Some(near), pen.back);
                try_both(pen.front, Some(near));
            }
            let [first, second, _] = goal.near.map(Some);
            try_both(first, second);
            try_both(second, first);
            for back in goal.near.map(Some).into_iter().chain([pen.back]) {
                let Some(color) = back.map(|back| self.palette.color(back)) else { continue };
                let bytes = self.color_bytes(pen, pen.front, back);
                let cost =
                    self.loss(&goal.pixels, |_| color) + price * (way as f32 + bytes + glyph(0));
                if cost < best.cost {
                    best = Choice { cost, mask: 0, front: pen.front, back };
                }
            }
        }
        best
    }

    fn color_bytes(&self, pen: &Pen, front: Option<u8>, back: Option<u8>) -> f32 {
        let length = |old: Option<u8>, new: Option<u8>| match new {
            Some(new) if old != Some(new) => self.palette.length(new),
            Some(_) | None => 0,
        };
        let (front, back) = (length(pen.front, front), length(pen.back, back));
        let frame = if front + back > 0 { 3 } else { 0 };
        let both = usize::from(front > 0 && back > 0);
        SHARED * (frame + front + back + both) as f32
    }

    /// Draws a cell, and takes its new errors into account.
    fn apply(&mut self, scene: &mut Scene<'_>, cell: usize, choice: Choice, is_known: bool) {
        let layout = scene.layout;
        for pixel in 0..N {
            let at = layout.at(cell, pixel);
            let is_front = choice.mask >> pixel & 1 == 1;
            let new = if is_front { choice.front } else { choice.back }.unwrap_or_default();
            let old = if is_known {
                self.palette.color(self.shown[at])
            } else {
                self.palette.wanted(scene.wanted, at)
            };
            self.shown[at] = new;
            self.blur.add(at, error(self.palette.color(new), old));
        }
        scene.set(cell, Cell::Picture);
    }

    fn write(
        &self,
        motion: Motion,
        pen: &mut Pen,
        place: Place,
        choice: Choice,
        out: &mut Vec<u8>,
    ) {
        let is_next = pen.cursor == Some(place);
        let changes = (choice.front != pen.front, choice.back != pen.back);
        if !is_next || changes != (false, false) || choice.mask != pen.mask {
            self.glyphs.push(pen.mask, pen.run, out);
            motion.push(pen.cursor, place, out);
            pen.run = 0;
            let mut lead: &[u8] = b"\x1b[";
            let layers = [(changes.0, choice.front, false), (changes.1, choice.back, true)];
            for (_, color, is_back) in layers.into_iter().filter(|(changes, ..)| *changes) {
                let Some(color) = color else { continue };
                out.extend_from_slice(lead);
                self.palette.push(color, is_back, out);
                lead = b";";
            }
            if lead == b";" {
                out.push(b'm');
            }
        }
        *pen = Pen {
            front: choice.front,
            back: choice.back,
            cursor: Some(place.next()),
            mask: choice.mask,
            run: pen.run + 1,
        };
    }

    fn near(&self, goal: &[Color; N]) -> [u8; 3] {
        let every = (((1u16 << N) - 1) & 0xff) as u8;
        let mean_of = |group| mean(goal, group);
        let first = self.splitter.split(goal, mean_of(every));
        [first, every ^ first, every].map(|group| self.palette.nearest(mean_of(group)))
    }
}

impl<const N: usize> Artist for Indexed<N> {
    fn draw(&mut self, scene: &mut Scene<'_>, out: &mut Vec<u8>) {
        self.start(scene);
        let motion = Motion { origin: scene.origin, columns: scene.layout.columns as u32 };
        let price = scene.price * PRICE;
        let fixed = self.palette.fixed();
        let mut pen = Pen { front: fixed.map(|(front, _)| front), ..Pen::default() };
        pen.back = fixed.map(|(_, back)| back);
        for cell in 0..scene.layout.cells() {
            let is_known = match scene.cell(cell) {
                Cell::Covered => continue,
                Cell::Unknown | Cell::Blank => false,
                Cell::Picture => true,
            };
            let pixels = self.goal(scene, cell, is_known);
            let place = scene.layout.place(cell);
            let is_next = pen.cursor == Some(place);
            let kept = if is_known { self.kept(scene.layout, cell, &pixels) } else { f32::MAX };
            if kept <= price || !is_next && kept <= 4.0 * price {
                continue;
            }
            let near = if self.palette.is_fixed() { [0; 3] } else { self.near(&pixels) };
            let way = if is_next { 0 } else { motion.cost(pen.cursor, place) };
            let choice = self.choose(&Goal { pixels, near }, &pen, way, price);
            if choice.cost < kept {
                self.apply(scene, cell, choice, is_known);
                self.write(motion, &mut pen, place, choice, out);
            }
        }
        self.glyphs.push(pen.mask, pen.run, out);
        if !self.palette.is_fixed() && pen.cursor.is_some() {
            out.extend_from_slice(b"\x1b[m");
        }
    }
}

impl<const N: usize> Indexed<N> {
    /// The error of a cell as it is shown.
    fn kept(&self, layout: Layout, cell: usize, goal: &[Color; N]) -> f32 {
        self.loss(goal, |pixel| self.palette.color(self.shown[layout.at(cell, pixel)]))
    }
}

fn error(shown: Color, wanted: Color) -> Error {
    [shown[0] - wanted[0], shown[1] - wanted[1], shown[2] - wanted[2], 0.0]
}
