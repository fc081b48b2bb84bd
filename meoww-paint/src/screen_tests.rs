//! The screen of a terminal emulator, and whether it shows a picture.

use super::*;

/// A terminal full of `?`, and what draws on it.
pub(super) struct Screen {
    pub(super) terminal: vt100::Parser,
    pub(super) painter: Box<dyn Painter>,
    pub(super) mode: Mode,
}

impl Screen {
    pub(super) fn new(mode: Mode) -> Self {
        let size = |n| NonZeroU16::new(n).unwrap();
        let mut terminal = vt100::Parser::new(size(ROWS), size(COLS), 0);
        for y in 1..=ROWS {
            let row = format!("\x1b[{y};1H{}", "?".repeat(COLS.into()));
            terminal.process(row.as_bytes());
        }
        let painter = mode.painter(Traits { repeats: true, ..Traits::USUAL });
        Self { terminal, painter, mode }
    }

    /// Returns how many bytes it took.
    pub(super) fn draw(&mut self, frame: &Frame, area: Rect, holes: &[Rect]) -> usize {
        let mut out = Vec::new();
        self.painter.draw(frame, area, holes, &mut out);
        self.terminal.process(&out);
        let screen = self.terminal.screen();
        assert_eq!(screen.fgcolor(), vt100::Color::Default, "a stray colour");
        assert_eq!(screen.bgcolor(), vt100::Color::Default, "a stray colour");
        out.len()
    }

    /// Draws the same picture until nothing is left to improve.
    pub(super) fn settle(&mut self, frame: &Frame, area: Rect) {
        for _ in 0..40 {
            if self.painter.is_settled() {
                break;
            }
            self.draw(frame, area, &[]);
        }
        assert_eq!(self.draw(frame, area, &[]), 0, "{:?} does not come to rest", self.mode);
    }

    /// Panics when `area` does not look like `frame`, or a hole like anything but `?`.
    pub(super) fn check(&self, frame: &Frame, area: Rect, holes: &[Rect]) {
        let (columns, rows) = self.pixels_of_a_cell();
        let (cells, shape) = (area.size(), CellShape::USUAL);
        let grid = PixelGrid { cells, columns, rows, shape };
        let (width, height) = grid.fit(frame.width(), frame.height(), frame.pixel());
        let mut planes = Planes::default();
        Sampler::default().sample(frame, width, height, &mut planes);
        let (drawn_width, drawn_height) = ((width / columns) as u16, (height / rows) as u16);
        let picture = Rect {
            x: area.x + (area.width - drawn_width) / 2,
            y: area.y + (area.height - drawn_height) / 2,
            width: drawn_width,
            height: drawn_height,
        };
        let mut pixels = Vec::new();
        for at in area.positions().filter(|at| !holes.iter().any(|hole| hole.contains(*at))) {
            if picture.contains(at) {
                let (x, y) = (usize::from(at.x - picture.x), usize::from(at.y - picture.y));
                let first = y * rows * width + x * columns;
                let wanted = |pixel: usize| {
                    let at = first + pixel / columns * width + pixel % columns;
                    planes.each_ref().map(|plane| f32::from(plane[at]))
                };
                self.check_cell(at, wanted, &mut pixels);
            } else {
                let (text, _, bg) = self.cell(at);
                assert_eq!((text, bg), (" ", vt100::Color::Default), "{at:?} is in the margin");
            }
        }
        self.check_all(&pixels, columns * rows);
        for at in holes.iter().flat_map(|hole| hole.positions()) {
            assert_eq!(self.cell(at).0, "?", "{at:?} is in a hole");
        }
    }

    pub(super) fn pixels_of_a_cell(&self) -> (usize, usize) {
        symbols(self.mode.render)
            .map_or((letters::ACROSS, letters::DOWN), |symbols| (symbols.across, symbols.down))
    }

    /// Adds what is seen and what is wanted to `pixels`.
    pub(super) fn check_cell(
        &self,
        at: Position,
        wanted: impl Fn(usize) -> split::Color,
        pixels: &mut Vec<(split::Color, split::Color)>,
    ) {
        let (text, fg, bg) = self.cell(at);
        let Some(symbols) = symbols(self.mode.render) else {
            assert!(matches!(text.as_bytes(), [b' '..=b'~']), "{at:?} shows {text:?}");
            return;
        };
        let count = symbols.across * symbols.down;
        let mask = (0..1 << count).find(|mask| text.starts_with((symbols.glyph)(*mask)));
        let mask = mask.unwrap_or_else(|| panic!("{at:?} shows {text:?}"));
        for pixel in 0..count {
            let is_front = mask >> pixel & 1 == 1;
            let seen = rgb(if is_front { fg } else { bg }, is_front).map(f32::from);
            pixels.push((seen, wanted(pixel)));
        }
    }

    /// Panics when the colours could show the picture clearly better, for what bytes cost.
    pub(super) fn check_all(&self, pixels: &[(split::Color, split::Color)], count: usize) {
        let error = |pixels: &[(split::Color, split::Color)]| -> f32 {
            pixels.iter().map(|(seen, wanted)| split::distance(*seen, *wanted)).sum()
        };
        match self.mode.color {
            Color::True => {
                // No more than new colours for every cell, each of which may count three times.
                let price = Quality::USUAL.price() * count as f32 / 2.0;
                let allowed = |cell: &[_]| 3.0 * least(cell) + 60.0 * price;
                let allowed: f32 = pixels.chunks(count).map(allowed).sum();
                assert!(
                    error(pixels) <= allowed,
                    "{:?}: {} of {allowed}",
                    self.mode,
                    error(pixels)
                );
            }
            // Few colours show a picture from a distance, and as well as bytes are spent on it.
            Color::Ansi256 if pixels.len() > 200 => {
                for channel in 0..3 {
                    let offset: f32 =
                        pixels.iter().map(|(seen, wanted)| seen[channel] - wanted[channel]).sum();
                    let offset = offset / pixels.len() as f32;
                    assert!(offset.abs() < 40.0, "{:?}: channel {channel} by {offset}", self.mode);
                }
            }
            Color::Ansi256 | Color::Ansi16 | Color::Mono => {}
        }
    }

    pub(super) fn cell(&self, at: Position) -> (&str, vt100::Color, vt100::Color) {
        let cell = self.terminal.screen().cell(at.y, at.x).unwrap();
        (cell.contents(), cell.fgcolor(), cell.bgcolor())
    }
}

/// The least error of a cell in two colours.
fn least(pixels: &[(split::Color, split::Color)]) -> f32 {
    fn of<const N: usize>(pixels: &[(split::Color, split::Color)]) -> f32 {
        let wanted: split::Pixels<N> =
            std::array::from_fn(|channel| std::array::from_fn(|pixel| pixels[pixel].1[channel]));
        let every = (((1u16 << N) - 1) & 0xff) as u8;
        let group = Splitter::<N>::new().split(&wanted, split::mean(&wanted, every));
        let means = [every ^ group, group].map(|group| split::mean(&wanted, group));
        let shown = |bit: usize| means[usize::from(group >> bit & 1)];
        (0..N).map(|bit| split::distance(pixels[bit].1, shown(bit))).sum()
    }
    match pixels.len() {
        2 => of::<2>(pixels),
        4 => of::<4>(pixels),
        6 => of::<6>(pixels),
        _ => of::<8>(pixels),
    }
}

/// Red, green and blue of a colour by the tables of xterm: 16 + 36 r + 6 g + b, levels 0, 95, 135 ...,
/// greys from 8 in steps of 10. The terminal's own are white on black.
pub(super) fn rgb(color: vt100::Color, is_text: bool) -> Rgb {
    let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
    match color {
        vt100::Color::Rgb(r, g, b) => [r, g, b],
        vt100::Color::Idx(index @ 16..=231) => {
            [(index - 16) / 36, (index - 16) / 6 % 6, (index - 16) % 6].map(level)
        }
        vt100::Color::Idx(index @ 232..) => [8 + 10 * (index - 232); 3],
        vt100::Color::Idx(index) => [
            [0, 0, 0],
            [205, 0, 0],
            [0, 205, 0],
            [205, 205, 0],
            [0, 0, 238],
            [205, 0, 205],
            [0, 205, 205],
            [229, 229, 229],
            [127, 127, 127],
            [255, 0, 0],
            [0, 255, 0],
            [255, 255, 0],
            [92, 92, 255],
            [255, 0, 255],
            [0, 255, 255],
            [255, 255, 255],
        ][usize::from(index)],
        vt100::Color::Default if is_text => [255; 3],
        vt100::Color::Default => [0; 3],
    }
}
