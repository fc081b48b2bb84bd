//! The bytes are given to a terminal emulator, and its screen is compared with the picture.

#[path = "quality_tests.rs"]
mod quality_tests;

use std::num::NonZeroU16;

use proptest::prelude::*;

use crate::{
    letterforms::{FIRST, FORMS},
    letters,
    modes::{Symbols, braille, half, octant, quadrant, sextant},
    palette::Rgb,
    sample::{PixelGrid, Sampler},
    split::{self, Splitter},
    *,
};

const COLS: u16 = 40;
const ROWS: u16 = 16;

/// Every mode of cells.
fn modes() -> Vec<Mode> {
    let colors = [Color::True, Color::Ansi256, Color::Ansi16, Color::Mono];
    let renders = Render::ALL.into_iter().filter(|render| !render.has_pixels());
    let all = renders.flat_map(|render| colors.map(|color| mode(render, color)));
    all.filter(|mode| mode.render != Render::Braille || mode.color == Color::Mono).collect()
}

fn mode(render: Render, color: Color) -> Mode {
    Mode::new(render, color)
}

fn symbols(render: Render) -> Option<Symbols> {
    match render {
        Render::HalfBlock => Some(half::SYMBOLS),
        Render::Quadrant => Some(quadrant::SYMBOLS),
        Render::Sextant => Some(sextant::SYMBOLS),
        Render::Octant => Some(octant::SYMBOLS),
        Render::Braille => Some(braille::SYMBOLS),
        Render::Ascii | Render::Kitty | Render::Iterm2 => None,
    }
}

/// A terminal full of `?`, and what draws on it.
struct Screen {
    terminal: vt100::Parser,
    painter: Box<dyn Painter>,
    mode: Mode,
}

impl Screen {
    fn new(mode: Mode) -> Self {
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
    fn draw(&mut self, frame: &Frame, area: Rect, holes: &[Rect]) -> usize {
        let mut out = Vec::new();
        self.painter.draw(frame, area, holes, &mut out);
        self.terminal.process(&out);
        let screen = self.terminal.screen();
        assert_eq!(screen.fgcolor(), vt100::Color::Default, "a stray colour");
        assert_eq!(screen.bgcolor(), vt100::Color::Default, "a stray colour");
        out.len()
    }

    /// Draws the same picture until nothing is left to improve.
    fn settle(&mut self, frame: &Frame, area: Rect) {
        for _ in 0..40 {
            self.draw(frame, area, &[]);
        }
        assert_eq!(self.draw(frame, area, &[]), 0, "{:?} does not come to rest", self.mode);
    }

    /// Panics when `area` does not look like `frame`, or a hole like anything but `?`.
    fn check(&self, frame: &Frame, area: Rect, holes: &[Rect]) {
        let (columns, rows) = self.pixels_of_a_cell();
        let (cells, shape) = (area.size(), CellShape::USUAL);
        let grid = PixelGrid { cells, columns, rows, shape };
        let (width, height) = grid.fit(frame.width(), frame.height(), frame.pixel());
        let mut sampler = Sampler::default();
        let planes = sampler.sample(frame, width, height);
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
                    planes.each_ref().map(|plane| plane[at])
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

    fn pixels_of_a_cell(&self) -> (usize, usize) {
        symbols(self.mode.render)
            .map_or((letters::ACROSS, letters::DOWN), |symbols| (symbols.across, symbols.down))
    }

    /// Adds what is seen and what is wanted to `pixels`.
    fn check_cell(
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
    fn check_all(&self, pixels: &[(split::Color, split::Color)], count: usize) {
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

    fn cell(&self, at: Position) -> (&str, vt100::Color, vt100::Color) {
        let cell = self.terminal.screen().cell(at.y, at.x).unwrap();
        (cell.contents(), cell.fgcolor(), cell.bgcolor())
    }
}

/// The least error of a cell in two colours.
fn least(pixels: &[(split::Color, split::Color)]) -> f32 {
    fn of<const N: usize>(pixels: &[(split::Color, split::Color)]) -> f32 {
        let wanted: [split::Color; N] = std::array::from_fn(|pixel| pixels[pixel].1);
        let every = (((1u16 << N) - 1) & 0xff) as u8;
        let group = Splitter::<N>::new().split(&wanted, split::mean(&wanted, every));
        let means = [every ^ group, group].map(|group| split::mean(&wanted, group));
        let shown = |bit: usize| means[usize::from(group >> bit & 1)];
        (0..N).map(|bit| split::distance(wanted[bit], shown(bit))).sum()
    }
    match pixels.len() {
        2 => of::<2>(pixels),
        4 => of::<4>(pixels),
        6 => of::<6>(pixels),
        _ => of::<8>(pixels),
    }
}

/// A soft gradient that moves with `shift`, with noise of up to `noise` on it.
fn picture(width: usize, height: usize, shift: usize, noise: u8, seed: u32) -> Frame {
    let mut frame = Frame::black(width, height);
    let mut state = seed;
    let mut noisy = |value: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (value as u8).saturating_add((state >> 24) as u8 % (noise + 1)).clamp(16, 235)
    };
    let width = frame.width();
    for (plane, scale) in frame.planes_mut().into_iter().zip([1, 2, 2]) {
        for (i, value) in plane.iter_mut().enumerate() {
            let (x, y) = (i % (width / scale) * scale, i / (width / scale) * scale);
            *value = noisy((x * 5 + y * (3 + scale) + shift * 7) % 220);
        }
    }
    frame
}

#[test]
fn every_mode_shows_the_picture() {
    for mode in modes() {
        let mut screen = Screen::new(mode);
        let area = Rect::new(3, 2, 30, 11);
        for (width, height) in [(30, 22), (64, 48), (20, 60), (2, 2), (10, 4)] {
            let frame = picture(width, height, 3, 9, 1);
            screen.draw(&frame, area, &[]);
            screen.check(&frame, area, &[]);
        }
    }
}

#[test]
fn the_smallest_areas_and_none() {
    for mode in modes() {
        let mut screen = Screen::new(mode);
        let frame = picture(64, 48, 0, 0, 0);
        assert_eq!(screen.draw(&frame, Rect::new(5, 5, 0, 3), &[]), 0);
        for area in [Rect::new(39, 15, 1, 1), Rect::new(0, 0, 2, 1), Rect::new(0, 3, 1, 12)] {
            screen.draw(&frame, area, &[]);
            screen.check(&frame, area, &[]);
        }
    }
}

/// With half blocks each pixel has a colour of its own, so nothing is left to be wished for.
#[test]
fn a_picture_at_rest_becomes_exact_and_costs_nothing() {
    let area = Rect::new(0, 0, COLS, ROWS);
    for mode in modes() {
        Screen::new(mode).settle(&picture(40, 32, 0, 9, 1), area);
    }
    let mut screen = Screen::new(mode(Render::HalfBlock, Color::True));
    let frame = picture(40, 32, 0, 9, 1);
    screen.settle(&frame, area);
    let mut sampler = Sampler::default();
    let planes = sampler.sample(&frame, 40, 32);
    for at in area.positions() {
        let (text, fg, bg) = screen.cell(at);
        let seen = match text {
            "▀" => [fg, bg],
            "▄" => [bg, fg],
            "█" => [fg, fg],
            " " => [bg, bg],
            other => panic!("{at:?} shows {other:?}"),
        };
        for (row, seen) in seen.into_iter().enumerate() {
            let place = (usize::from(at.y) * 2 + row) * 40 + usize::from(at.x);
            let wanted = planes.each_ref().map(|plane| plane[place] as u8);
            assert_eq!(rgb(seen, true), wanted, "{at:?}");
        }
    }
}

/// The highest quality is exact at once, and a low one costs a fraction of it.
#[test]
fn quality_is_what_is_paid_for() {
    let area = Rect::new(0, 0, COLS, ROWS);
    for mode in modes().into_iter().filter(|mode| mode.render != Render::Ascii) {
        let cost = |quality: Quality| {
            let mut screen = Screen::new(mode);
            screen.painter.set_quality(quality);
            (0..6).map(|shift| screen.draw(&picture(80, 64, shift, 9, 1), area, &[])).sum::<usize>()
        };
        let costs = [Quality::new(20).unwrap(), Quality::USUAL, Quality::MAX].map(cost);
        assert!(costs[0] < costs[1].min(costs[2]), "{mode:?}: {costs:?}");
        if mode.color == Color::True {
            assert!(costs[1] < costs[2], "{mode:?}: {costs:?}");
        }
    }
}

/// A frame of one colour: Y, U and V of BT.601.
fn plain(width: usize, height: usize, colour: [u8; 3]) -> Frame {
    let mut frame = Frame::black(width, height);
    frame.planes_mut().into_iter().zip(colour).for_each(|(plane, value)| plane.fill(value));
    frame
}

/// Noise of one step moves a colour by 1.16 of 255 for Y and 2.02 for U.
#[test]
fn faint_noise_costs_a_fraction_of_strong_noise() {
    let noisy = |noise: u8, seed: u32| {
        let mut frame = picture(40, 32, 0, noise, seed);
        let still = picture(40, 32, 0, 0, seed);
        for (plane, still) in frame.planes_mut().into_iter().zip(still.planes()) {
            plane.iter_mut().zip(still).for_each(|(value, still)| *value = 128 + (*value - still));
        }
        frame
    };
    assert_ne!(noisy(1, 1), noisy(1, 2), "there is noise");
    for mode in modes().into_iter().filter(|mode| mode.color == Color::True) {
        let mut screen = Screen::new(mode);
        let area = Rect::new(0, 0, COLS, ROWS);
        screen.draw(&noisy(1, 1), area, &[]);
        let faint: usize = (2..6).map(|seed| screen.draw(&noisy(1, seed), area, &[])).sum();
        let strong: usize = (6..10).map(|seed| screen.draw(&noisy(90, seed), area, &[])).sum();
        assert!(faint * 15 < strong, "{mode:?}: {faint} and {strong}");
    }
}

/// Red, green and blue of a colour by the tables of xterm: 16 + 36 r + 6 g + b, levels 0, 95, 135 ...,
/// greys from 8 in steps of 10. The terminal's own are white on black.
fn rgb(color: vt100::Color, is_text: bool) -> Rgb {
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

/// Values of ITU-R BT.601, limited range, and what they are in RGB.
#[test]
fn colours_are_those_of_the_standard() {
    for (colour, expected) in [
        ([235, 128, 128], [255, 255, 255]),
        ([16, 128, 128], [0, 0, 0]),
        ([81, 90, 240], [255, 0, 0]),
        ([145, 54, 34], [0, 255, 0]),
        ([41, 240, 110], [0, 0, 255]),
    ] {
        let colourful = |mode: &Mode| mode.render != Render::Ascii && mode.color != Color::Mono;
        for mode in modes().into_iter().filter(colourful) {
            let mut screen = Screen::new(mode);
            screen.draw(&plain(40, 32, colour), Rect::new(0, 0, COLS, ROWS), &[]);
            let (text, fg, bg) = screen.cell(Position { x: 20, y: 8 });
            let seen = if text == " " { rgb(bg, false) } else { rgb(fg, true) };
            // The blue of the 16 is (0, 0, 238), and mixed with others.
            if mode.color == Color::Ansi16 && expected == [0, 0, 255] {
                continue;
            }
            let is_near = seen.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 2);
            assert!(is_near, "{mode:?}: {seen:?} for {expected:?}");
        }
    }
}

/// Half of the pixels of a middle grey are lit, evenly, and on a light terminal as many are not.
#[test]
fn without_colours_brightness_is_a_number_of_dots() {
    let area = Rect::new(0, 0, COLS, ROWS);
    for is_light in [false, true] {
        for (luma, lit) in [(16, 0.0), (71, 0.25), (126, 0.5), (181, 0.75), (235, 1.0)] {
            let mode = mode(Render::Braille, Color::Mono);
            let mut screen = Screen::new(mode);
            screen.painter = mode.painter(Traits { is_light, ..Traits::USUAL });
            screen.draw(&plain(40, 32, [luma, 128, 128]), area, &[]);
            let dots = area.positions().map(|at| {
                let text = screen.cell(at).0.chars().next().unwrap();
                (text as u32 - 0x2800).count_ones()
            });
            let seen = dots.sum::<u32>() as f32 / (f32::from(COLS) * f32::from(ROWS) * 8.0);
            let expected = if is_light { 1.0 - lit } else { lit };
            assert!((seen - expected).abs() < 0.02, "{luma}: {seen} for {expected}");
        }
    }
}

/// White is the darkest letter and black none, and in between there is the more ink the brighter it is.
#[test]
fn letters_are_as_dense_as_the_picture_is_bright() {
    let ink = |letter: u8| FORMS[usize::from(letter - FIRST)].iter().map(|n| u32::from(*n)).sum();
    let most: u32 = (FIRST..=b'~').map(ink).max().unwrap();
    let area = Rect::new(0, 0, COLS, ROWS);
    for is_light in [false, true] {
        let inks = [16, 71, 126, 181, 235].map(|luma| {
            let mode = mode(Render::Ascii, Color::Mono);
            let mut screen = Screen::new(mode);
            screen.painter = mode.painter(Traits { is_light, ..Traits::USUAL });
            screen.draw(&plain(40, 32, [luma, 128, 128]), area, &[]);
            let total: u32 = area.positions().map(|at| ink(screen.cell(at).0.as_bytes()[0])).sum();
            f64::from(total) / f64::from(most * u32::from(COLS) * u32::from(ROWS))
        });
        let is_sorted = inks.is_sorted_by(|a, b| if is_light { a > b } else { a < b });
        assert!(is_sorted, "{inks:?}");
        let (black, white) = if is_light { (inks[4], inks[0]) } else { (inks[0], inks[4]) };
        assert!(black == 0.0 && white > 0.9, "{inks:?}");
    }
}

/// Whatever the picture: letters of the palette, in full ink where it is white.
#[test]
fn a_palette_is_all_that_letters_are_taken_from() {
    let letters: Charset = ".:oO".parse().unwrap();
    let mode =
        Mode { look: Look { letters, ..Look::PLAIN }, ..mode(Render::Ascii, Color::Ansi256) };
    let mut screen = Screen::new(mode);
    let area = Rect::new(0, 0, COLS, ROWS);
    screen.draw(&picture(80, 64, 0, 20, 1), area, &[]);
    let mut seen: Vec<_> = area.positions().map(|at| screen.cell(at).0.to_owned()).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [" ", ".", ":", "O", "o"]);
    screen.settle(&plain(80, 64, [235, 128, 128]), area);
    assert!(area.positions().all(|at| screen.cell(at).0 == "O"), "the most ink of them");
}

#[test]
fn a_look_is_what_is_drawn() {
    let look = Look { filter: Filter::Negative, is_mirrored: true, ..Look::PLAIN };
    let plain = mode(Render::HalfBlock, Color::True);
    let (frame, area) = (picture(80, 64, 3, 0, 1), Rect::new(0, 0, COLS, ROWS));
    let [mut looking, mut expected] = [Mode { look, ..plain }, plain].map(Screen::new);
    looking.draw(&frame, area, &[]);
    expected.draw(&look.apply(&frame), area, &[]);
    assert!(area.positions().all(|at| looking.cell(at) == expected.cell(at)));
    expected.draw(&frame, area, &[]);
    assert!(area.positions().any(|at| looking.cell(at) != expected.cell(at)));
}

/// Cells are twice as high as wide, so 40 x 16 of them are 40 x 32 squares. By hand: 4:3 takes 40 x
/// 30, 2:1 takes 40 x 20, and 1:2 takes 16 x 32 of them.
#[test]
fn a_picture_keeps_its_shape_in_the_middle() {
    for (size, columns, rows) in
        [((64, 48), 0..40, 0..15), ((80, 40), 0..40, 3..13), ((32, 64), 12..28, 0..16)]
    {
        for mode in modes().into_iter().filter(|mode| mode.color == Color::True) {
            let mut screen = Screen::new(mode);
            screen.draw(&plain(size.0, size.1, [235, 128, 128]), Rect::new(0, 0, COLS, ROWS), &[]);
            for at in Rect::new(0, 0, COLS, ROWS).positions() {
                let (text, _, bg) = screen.cell(at);
                let is_picture = (text, bg) != (" ", vt100::Color::Default);
                let expected = columns.contains(&at.x) && rows.contains(&at.y);
                assert_eq!(is_picture, expected, "{mode:?}: {size:?} at {at:?}");
            }
        }
    }
}

#[test]
fn slow_change_does_not_drift() {
    let mut screen = Screen::new(mode(Render::HalfBlock, Color::True));
    let area = Rect::new(0, 0, 10, 5);
    let mut frame = Frame::black(10, 10);
    for y in 16..235 {
        frame.planes_mut()[0].fill(y);
        screen.draw(&frame, area, &[]);
        let (_, _, bg) = screen.cell(Position { x: 4, y: 2 });
        let wanted = (f32::from(y) - 16.0) * 255.0 / 219.0;
        let seen = f32::from(rgb(bg, false)[0]);
        assert!((seen - wanted).abs() <= 5.0, "{seen} for {wanted}");
    }
}

#[test]
fn what_was_overdrawn_is_drawn_again() {
    for mode in modes() {
        let mut screen = Screen::new(mode);
        let (frame, area) = (picture(20, 20, 0, 0, 1), Rect::new(0, 0, 20, 10));
        screen.draw(&frame, area, &[]);
        screen.terminal.process(b"\x1b[2J");
        screen.painter.invalidate();
        screen.draw(&frame, area, &[]);
        screen.check(&frame, area, &[]);
    }
}

#[test]
fn names_are_told_apart() {
    let mut names = Render::ALL.map(Render::name).to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Render::ALL.len());
}

fn area() -> impl Strategy<Value = Rect> {
    (0..COLS, 0..ROWS).prop_flat_map(|(x, y)| {
        (1..=COLS - x, 1..=ROWS - y).prop_map(move |(w, h)| Rect::new(x, y, w, h))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn many_changes_end_in_the_last_picture_and_stay_inside(
        mode in prop::sample::select(modes()),
        area in area(),
        size in (2usize..60, 2usize..60),
        changes in prop::collection::vec((0usize..3, 0u8..12, any::<u32>()), 1..20),
    ) {
        let mut screen = Screen::new(mode);
        let mut shift = 0;
        for (step, noise, seed) in changes {
            shift += step;
            let frame = picture(size.0, size.1, shift, noise, seed);
            screen.draw(&frame, area, &[]);
            screen.check(&frame, area, &[]);
        }
        let outside = Rect::new(0, 0, COLS, ROWS).positions().filter(|at| !area.contains(*at));
        for at in outside {
            prop_assert_eq!(screen.cell(at).0, "?", "{:?} was drawn on", at);
        }
    }

    #[test]
    fn holes_are_left_alone_and_healed(
        mode in prop::sample::select(modes()),
        holes in prop::collection::vec(prop::collection::vec(area(), 0..3), 1..5),
    ) {
        let area = Rect::new(1, 1, COLS - 2, ROWS - 2);
        let mut screen = Screen::new(mode);
        for (shift, holes) in holes.into_iter().enumerate() {
            let frame = picture(50, 40, shift, 5, 1);
            for at in holes.iter().flat_map(|hole| hole.positions()) {
                let question = format!("\x1b[{};{}H?", at.y + 1, at.x + 1);
                screen.terminal.process(question.as_bytes());
            }
            screen.draw(&frame, area, &holes);
            screen.check(&frame, area, &holes);
        }
    }
}
