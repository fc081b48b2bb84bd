//! Cells in the colours of a palette, or in none.

use crate::{
    blur::{Blur, Coupling, RADIUS, dot},
    cells::{Artist, Scene},
    glyphs::GlyphTable,
    ground::Cell,
    layout::Layout,
    modes::Symbols,
    motion::{Motion, Place},
    palette::Palette,
    simd::wide,
    split::{Pixels, Splitter, mean},
    tried::Tried,
};

/// The least bytes of a new colour: `ESC [ 3 1 m`.
const LEAST_COLOR: f32 = SHARED * 5.0;
/// A new colour is for later cells, too, so its bytes count by this part.
const SHARED: f32 = 0.7;
/// How much more a byte costs than in 24 bits: after the blur an error is small, and the same price
/// would buy what is not seen.
const PRICE: f32 = 2.3;

/// Draws cells of `N` pixels in two colours each, of `C` channels: one where there is only brightness,
/// else four, of which the last is empty, as four are as long as a register.
pub(crate) struct Indexed<const N: usize, const C: usize> {
    palette: Palette,
    colors: Vec<[f32; C]>,
    glyphs: GlyphTable,
    splitter: Splitter<N>,
    blur: Blur<C>,
    coupling: Coupling<N>,
    /// The colours that are wanted.
    wanted: Vec<[f32; C]>,
    /// The colours of the pixels as the terminal shows them.
    shown: Vec<[f32; C]>,
    /// Of each cell of a row, the error as it is shown, where it is exact.
    kept: Vec<f32>,
    tried: Tried,
}

/// A cell to be decided on.
struct Goal<const N: usize, const C: usize> {
    /// The colours with which all errors around the pixels vanish, within reach.
    pixels: [[f32; C]; N],
    /// The error as it is shown.
    kept: f32,
    /// Bytes to come there.
    way: u32,
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

impl<const N: usize, const C: usize> Indexed<N, C> {
    pub(crate) fn new(symbols: &Symbols, palette: Palette, repeats: bool) -> Self {
        let blur = Blur::new();
        let coupling = Coupling::new(&blur, symbols.across);
        let colors = palette.colors().iter().map(|color| channels(*color)).collect();
        Self {
            palette,
            colors,
            glyphs: GlyphTable::new(N, symbols.glyph, repeats),
            splitter: Splitter::new(),
            blur,
            coupling,
            wanted: Vec::new(),
            shown: Vec::new(),
            kept: Vec::new(),
            tried: Tried::default(),
        }
    }

    /// Begins with the errors of what is shown. Where nothing is known there is none to make up for.
    fn start(&mut self, scene: &Scene<'_>) {
        let layout = scene.layout;
        self.shown.resize(layout.pixels(), [0.0; C]);
        self.wanted.resize(layout.pixels(), [0.0; C]);
        self.kept.resize(layout.columns, 0.0);
        self.tried.resize(layout.cells());
        wide!(self.palette.want(scene.wanted, &mut self.wanted));
        for place in layout.places().filter(|place| scene.cell(*place) != Cell::Picture) {
            for at in (0..N).map(|pixel| layout.at(place, pixel)) {
                self.shown[at] = self.wanted[at];
            }
        }
        let width = layout.width() * C;
        let (wanted, shown) = (self.wanted.as_flattened(), self.shown.as_flattened());
        self.blur.start(layout.width(), layout.rows * layout.down, |y, row| {
            let pixels = shown[y * width..].iter().zip(&wanted[y * width..]);
            row.iter_mut().zip(pixels).for_each(|(error, (shown, wanted))| *error = shown - wanted);
        });
    }

    /// Finds how much of an error a row of cells shows.
    fn look_at(&mut self, layout: Layout, row: usize) {
        let mut kept = std::mem::take(&mut self.kept);
        if C == 1 && self.palette.is_fixed() {
            // Nothing is out of reach, so all of it could vanish.
            self.coupling.vanishing(&self.blur, row, layout.across, &mut kept);
        } else {
            wide!({
                for (x, kept) in kept.iter_mut().enumerate() {
                    let cell = Place { x: x as u32, y: row as u32 };
                    *kept = self.goal(layout, cell, true, 0).kept;
                }
            });
        }
        self.kept = kept;
    }

    /// Returns the goal of a cell that is `way` bytes from the cursor.
    #[inline(always)]
    fn goal(&self, layout: Layout, cell: Place, is_known: bool, way: u32) -> Goal<N, C> {
        let reach = self.palette.reach();
        let (mut blurred, mut pixels) = ([[0.0; C]; N], [[0.0; C]; N]);
        for (pixel, blurred) in blurred.iter_mut().enumerate() {
            *blurred = self.blur.at(layout.pixel(cell, pixel));
        }
        let mut steps = self.coupling.solve(&blurred);
        let mut is_clamped = false;
        for (pixel, (goal, step)) in pixels.iter_mut().zip(&mut steps).enumerate() {
            let at = layout.at(cell, pixel);
            let wanted = self.wanted[at];
            let shown = self.shown[at];
            let free = minus(shown, *step);
            for (channel, goal) in goal.iter_mut().enumerate() {
                *goal = free[channel].clamp(wanted[channel] - reach, wanted[channel] + reach);
            }
            if *goal != free {
                is_clamped = true;
                *step = minus(shown, *goal);
            }
        }
        let kept = match (is_known, is_clamped) {
            (false, _) => f32::MAX,
            (true, false) => dot(&steps, &blurred),
            (true, true) => dot(&steps, &self.coupling.spread(&steps)),
        };
        Goal { pixels, kept, way }
    }

    #[inline(always)]
    fn color(&self, index: u8) -> [f32; C] {
        self.colors[usize::from(index)]
    }

    /// The best glyph in two colours, and its error.
    fn fit(&self, goal: &[[f32; C]; N], front: u8, back: u8) -> (f32, u8) {
        let colors = [self.color(back), self.color(front)];
        let mut mask = 0;
        let errors = std::array::from_fn(|bit| {
            let [back, front] = colors.map(|color| minus(color, goal[bit]));
            let is_front = square(front) < square(back);
            mask |= u8::from(is_front) << bit;
            if is_front { front } else { back }
        });
        let mut spread = self.coupling.spread(&errors);
        let mut loss = dot(&errors, &spread);
        // From there each pixel is tried the other way, as they make up for each other.
        let to_front = minus(colors[1], colors[0]);
        for bit in 0..N {
            let sign = if mask >> bit & 1 == 1 { -1.0 } else { 1.0 };
            let step = to_front.map(|value| sign * value);
            let cross: f32 = step.iter().zip(spread[bit]).map(|(step, spread)| step * spread).sum();
            let change = 2.0 * cross + self.coupling.weight(bit, bit) * square(step);
            if change < 0.0 {
                mask ^= 1 << bit;
                loss += change;
                for (other, spread) in spread.iter_mut().enumerate() {
                    let weight = self.coupling.weight(bit, other);
                    spread.iter_mut().zip(step).for_each(|(sum, step)| *sum += weight * step);
                }
            }
        }
        (loss, mask)
    }

    /// The best way to draw a cell that costs less than to leave it as it is.
    fn choose(&self, goal: &Goal<N, C>, pen: &Pen, price: f32) -> Option<Choice> {
        let mut best = Choice { cost: goal.kept, mask: 0, front: pen.front, back: pen.back };
        let glyph = |mask: u8| {
            let run = if goal.way == 0 && mask == pen.mask { pen.run } else { 0 };
            self.glyphs.cost(mask, run) as f32
        };
        let way = goal.way as f32;
        let try_both = |front: Option<u8>, back: Option<u8>, best: &mut Choice| {
            let (Some(f), Some(b)) = (front, back) else { return };
            let bytes = way + self.color_bytes(pen, front, back);
            if price * bytes >= best.cost {
                return;
            }
            let (loss, mask) = self.fit(&goal.pixels, f, b);
            let cost = loss + price * (bytes + glyph(mask));
            if cost < best.cost {
                *best = Choice { cost, mask, front, back };
            }
        };
        try_both(pen.front, pen.back, &mut best);
        if !self.palette.is_fixed() && price * (way + LEAST_COLOR) < best.cost {
            let near = self.near(&goal.pixels).map(Some);
            let [first, second, mean] = near;
            let is_new = [true, second != first, mean != first && mean != second];
            for (near, _) in near.into_iter().zip(is_new).filter(|(_, is_new)| *is_new) {
                if near != pen.front {
                    try_both(near, pen.back, &mut best);
                }
                if near != pen.back {
                    try_both(pen.front, near, &mut best);
                }
            }
            if first != second {
                try_both(first, second, &mut best);
                try_both(second, first, &mut best);
            }
            for back in [first, second, mean, pen.back] {
                let Some(color) = back.map(|back| self.color(back)) else { continue };
                let bytes = way + self.color_bytes(pen, pen.front, back) + glyph(0);
                if price * bytes >= best.cost {
                    continue;
                }
                let errors = goal.pixels.map(|pixel| minus(color, pixel));
                let cost = dot(&errors, &self.coupling.spread(&errors)) + price * bytes;
                if cost < best.cost {
                    best = Choice { cost, mask: 0, front: pen.front, back };
                }
            }
        }
        (best.cost < goal.kept).then_some(best)
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
    fn apply(&mut self, scene: &mut Scene<'_>, cell: Place, choice: Choice) {
        let layout = scene.layout;
        for pixel in 0..N {
            let at = layout.at(cell, pixel);
            let is_front = choice.mask >> pixel & 1 == 1;
            let new = if is_front { choice.front } else { choice.back }.unwrap_or_default();
            let new = self.color(new);
            let old = std::mem::replace(&mut self.shown[at], new);
            self.blur.add(layout.pixel(cell, pixel), minus(new, old));
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

    /// Colours that a cell is tried in beside those at hand.
    fn near(&self, goal: &[[f32; C]; N]) -> [u8; 3] {
        let every = (((1u16 << N) - 1) & 0xff) as u8;
        let goal: Pixels<N> = std::array::from_fn(|channel| {
            std::array::from_fn(|pixel| goal[pixel].get(channel).copied().unwrap_or(0.0))
        });
        let mean_of = |group| mean(&goal, group);
        let first = self.splitter.split(&goal, mean_of(every));
        [first, every ^ first, every].map(|group| self.palette.nearest(mean_of(group)))
    }
}

impl<const N: usize, const C: usize> Artist for Indexed<N, C> {
    fn sees_colors(&self) -> bool {
        !self.palette.is_fixed()
    }

    fn draw(&mut self, scene: &mut Scene<'_>, out: &mut Vec<u8>) {
        self.start(scene);
        let motion = Motion { origin: scene.origin, columns: scene.layout.columns as u32 };
        let price = scene.price * PRICE;
        let fixed = self.palette.fixed();
        let mut pen = Pen { front: fixed.map(|(front, _)| front), ..Pen::default() };
        pen.back = fixed.map(|(_, back)| back);
        // How far a change is seen to the right, in cells, and where the last one is seen no more.
        let reach = RADIUS.div_ceil(scene.layout.across) as u32;
        let mut changed = 0;
        for (cell, place) in scene.layout.places().enumerate() {
            if place.x == 0 {
                changed = 0;
                self.look_at(scene.layout, place.y as usize);
            }
            let is_known = match scene.cell(place) {
                Cell::Covered => continue,
                Cell::Unknown | Cell::Blank => false,
                Cell::Picture => true,
            };
            let is_next = pen.cursor == Some(place);
            let least = if is_next { price } else { 4.0 * price };
            let kept = self.kept[place.x as usize];
            let is_exact = is_known && place.x >= changed;
            if is_exact && (kept <= least || self.tried.is_vain(cell, kept, price)) {
                continue;
            }
            let way = if is_next { 0 } else { motion.cost(pen.cursor, place) };
            let goal = self.goal(scene.layout, place, is_known, way);
            if goal.kept <= least {
                continue;
            }
            if let Some(choice) = self.choose(&goal, &pen, price) {
                self.apply(scene, place, choice);
                self.tried.forget(cell);
                changed = place.x + 1 + reach;
                self.write(motion, &mut pen, place, choice, out);
            } else {
                self.tried.note(cell, kept, price);
            }
        }
        self.glyphs.push(pen.mask, pen.run, out);
        if !self.palette.is_fixed() && pen.cursor.is_some() {
            out.extend_from_slice(b"\x1b[m");
        }
    }
}

/// A colour in other channels: the first ones, and none for the rest.
#[inline(always)]
fn channels<const A: usize, const B: usize>(color: [f32; A]) -> [f32; B] {
    std::array::from_fn(|channel| color.get(channel).copied().unwrap_or(0.0))
}

#[inline(always)]
fn minus<const C: usize>(a: [f32; C], b: [f32; C]) -> [f32; C] {
    std::array::from_fn(|channel| a[channel] - b[channel])
}

#[inline(always)]
fn square<const C: usize>(error: [f32; C]) -> f32 {
    error.iter().map(|value| value * value).sum()
}
