//! The bytes are given to a terminal emulator, and its screen is compared with the picture.

use std::num::NonZeroU16;

use proptest::prelude::*;

use crate::{
    modes::{ascii::glyph, quadrant},
    palette::{self, Rgb},
    pen::TOLERANCE,
    sample::{PixelGrid, Sampler},
    *,
};

const COLS: u16 = 40;
const ROWS: u16 = 16;
const MODES: [(Render, Color); 7] = [
    (Render::HalfBlock, Color::True),
    (Render::HalfBlock, Color::Ansi256),
    (Render::Quadrant, Color::True),
    (Render::Quadrant, Color::Ansi256),
    (Render::Ascii, Color::True),
    (Render::Ascii, Color::Ansi256),
    (Render::Ascii, Color::Mono),
];

/// A terminal full of `?`, and what draws on it.
struct Screen {
    terminal: vt100::Parser,
    painter: Box<dyn Painter>,
    mode: Mode,
}

impl Screen {
    fn new((render, color): (Render, Color)) -> Self {
        let size = |n| NonZeroU16::new(n).unwrap();
        let mut terminal = vt100::Parser::new(size(ROWS), size(COLS), 0);
        for y in 1..=ROWS {
            let row = format!("\x1b[{y};1H{}", "?".repeat(COLS.into()));
            terminal.process(row.as_bytes());
        }
        let mode = Mode { render, color };
        Self { terminal, painter: mode.painter(CellShape::USUAL), mode }
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

    /// Panics when `area` does not look like `frame`, or a hole like anything but `?`.
    fn check(&self, frame: &Frame, area: Rect, holes: &[Rect]) {
        let (columns, rows) = self.pixels_of_a_cell();
        let (cells, shape) = (area.size(), CellShape::USUAL);
        let grid = PixelGrid { cells, columns, rows, shape };
        let (width, height) = grid.fit(frame.width(), frame.height(), frame.pixel());
        let mut sampler = Sampler::default();
        let pixels = sampler.sample(frame, width, height);
        let (drawn_width, drawn_height) = ((width / columns) as u16, (height / rows) as u16);
        let picture = Rect {
            x: area.x + (area.width - drawn_width) / 2,
            y: area.y + (area.height - drawn_height) / 2,
            width: drawn_width,
            height: drawn_height,
        };
        for at in area.positions().filter(|at| !holes.iter().any(|hole| hole.contains(*at))) {
            if picture.contains(at) {
                let (x, y) = (usize::from(at.x - picture.x), usize::from(at.y - picture.y));
                let pixel = |column: usize, row: usize| {
                    pixels.at((y * rows + row) * width + x * columns + column)
                };
                self.check_cell(at, pixel);
            } else {
                let (text, _, bg) = self.cell(at);
                assert_eq!((text, bg), (" ", vt100::Color::Default), "{at:?} is in the margin");
            }
        }
        for at in holes.iter().flat_map(|hole| hole.positions()) {
            assert_eq!(self.cell(at).0, "?", "{at:?} is in a hole");
        }
    }

    fn pixels_of_a_cell(&self) -> (usize, usize) {
        match self.mode.render {
            Render::HalfBlock | Render::Ascii => (1, 2),
            Render::Quadrant => (2, 2),
        }
    }

    fn check_cell(&self, at: Position, pixel: impl Fn(usize, usize) -> Rgb) {
        let (text, fg, bg) = self.cell(at);
        let (top, bottom) = (pixel(0, 0), pixel(0, 1));
        match self.mode.render {
            Render::Quadrant => {
                let wanted = [top, pixel(1, 0), bottom, pixel(1, 1)];
                let lit = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█".chars().position(|c| text.starts_with(c)).unwrap();
                let seen: [_; 4] = std::array::from_fn(|i| if lit >> i & 1 == 1 { fg } else { bg });
                self.check_split(seen, wanted);
            }
            Render::HalfBlock => {
                let (seen_top, seen_bottom) = match text {
                    "▀" => (fg, bg),
                    "▄" => (bg, fg),
                    " " => (bg, bg),
                    other => panic!("{at:?} shows {other:?}"),
                };
                self.check_color(seen_top, top);
                self.check_color(seen_bottom, bottom);
            }
            Render::Ascii => {
                let mean = std::array::from_fn(|i| top[i].midpoint(bottom[i]));
                let level = |glyph| b" .:-=+*#%@".iter().position(|g| *g == glyph).unwrap();
                let (seen, wanted) = (level(text.as_bytes()[0]), level(glyph(mean)));
                assert!(seen.abs_diff(wanted) <= 1, "{at:?} shows {text:?} for {mean:?}");
                if text != " " {
                    self.check_color(fg, mean);
                }
            }
        }
    }

    /// Panics when two colours could show the four pixels clearly better.
    fn check_split(&self, seen: [vt100::Color; 4], wanted: [Rgb; 4]) {
        let seen = seen.map(|color| match color {
            vt100::Color::Rgb(r, g, b) => [r, g, b],
            vt100::Color::Idx(index) => palette::color(index),
            vt100::Color::Default => panic!("no colour"),
        });
        let best = quadrant::split(wanted).shown();
        let nearest = |rgb| match self.mode.color {
            Color::True => rgb,
            Color::Ansi256 | Color::Mono => palette::color(palette::nearest(rgb)),
        };
        // A colour at hand, and a picture that moved since: each may be off by the tolerance.
        let slack = 2.0 * f32::from(TOLERANCE) * 3f32.sqrt();
        let slack = if self.mode.color == Color::True { slack } else { 4.0 * slack };
        let error = |shown: [Rgb; 4]| -> f32 {
            shown.iter().zip(wanted).map(|(a, b)| distance(*a, b).powi(2)).sum::<f32>().sqrt()
        };
        let (error, least) = (error(seen), error(best.map(nearest)));
        assert!(error <= least + 2.0 * slack, "{seen:?} for {wanted:?}: {error}, not {least}");
    }

    fn check_color(&self, seen: vt100::Color, wanted: Rgb) {
        match (seen, self.mode.color) {
            (vt100::Color::Rgb(r, g, b), Color::True) => {
                let worst = (0..3).map(|i| [r, g, b][i].abs_diff(wanted[i])).max();
                assert!(worst <= Some(TOLERANCE), "{seen:?} for {wanted:?}");
            }
            (vt100::Color::Idx(index), Color::Ansi256) => {
                let nearest = palette::color(palette::nearest(wanted));
                let slack = 2.0 * f32::from(TOLERANCE) * 3f32.sqrt() + 0.01;
                let seen = palette::color(index);
                assert!(distance(seen, wanted) <= distance(nearest, wanted) + slack);
            }
            (vt100::Color::Default, Color::Mono) => {}
            (seen, color) => panic!("{seen:?} in {color:?}"),
        }
    }

    fn cell(&self, at: Position) -> (&str, vt100::Color, vt100::Color) {
        let cell = self.terminal.screen().cell(at.y, at.x).unwrap();
        (cell.contents(), cell.fgcolor(), cell.bgcolor())
    }
}

fn distance(a: Rgb, b: Rgb) -> f32 {
    (0..3).map(|i| f32::from(a[i].abs_diff(b[i])).powi(2)).sum::<f32>().sqrt()
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
    for mode in MODES {
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
    for mode in MODES {
        let mut screen = Screen::new(mode);
        let frame = picture(64, 48, 0, 0, 0);
        assert_eq!(screen.draw(&frame, Rect::new(5, 5, 0, 3), &[]), 0);
        for area in [Rect::new(39, 15, 1, 1), Rect::new(0, 0, 2, 1), Rect::new(0, 3, 1, 12)] {
            screen.draw(&frame, area, &[]);
            screen.check(&frame, area, &[]);
        }
    }
}

#[test]
fn a_still_picture_costs_nothing() {
    for mode in MODES {
        let mut screen = Screen::new(mode);
        let area = Rect::new(0, 0, COLS, ROWS);
        assert!(screen.draw(&picture(40, 32, 0, 0, 1), area, &[]) > 0);
        assert_eq!(screen.draw(&picture(40, 32, 0, 0, 1), area, &[]), 0);
    }
}

/// Noise of one step moves a colour by 1.16 of 255 for Y and 2.02 for U: less than the tolerance.
#[test]
fn faint_noise_costs_nothing_and_strong_noise_does() {
    let noisy = |noise: u8, seed: u32| {
        let mut frame = picture(40, 32, 0, noise, seed);
        let still = picture(40, 32, 0, 0, seed);
        for (plane, still) in frame.planes_mut().into_iter().zip(still.planes()) {
            plane.iter_mut().zip(still).for_each(|(value, still)| *value = 128 + (*value - still));
        }
        frame
    };
    assert_ne!(noisy(1, 1), noisy(1, 2), "there is noise");
    for mode in MODES {
        let mut screen = Screen::new(mode);
        let area = Rect::new(0, 0, COLS, ROWS);
        screen.draw(&noisy(1, 1), area, &[]);
        for seed in 2..6 {
            assert_eq!(screen.draw(&noisy(1, seed), area, &[]), 0, "{mode:?}");
        }
        assert!(screen.draw(&noisy(90, 6), area, &[]) > 0, "{mode:?}");
    }
}

/// A frame of one colour: Y, U and V of BT.601.
fn plain(width: usize, height: usize, colour: [u8; 3]) -> Frame {
    let mut frame = Frame::black(width, height);
    frame.planes_mut().into_iter().zip(colour).for_each(|(plane, value)| plane.fill(value));
    frame
}

/// Red, green and blue of a colour by the cube of xterm: 16 + 36 r + 6 g + b, levels 0, 95, 135 ...
fn rgb(color: vt100::Color) -> Rgb {
    let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
    match color {
        vt100::Color::Rgb(r, g, b) => [r, g, b],
        vt100::Color::Idx(index @ 16..=231) => {
            [(index - 16) / 36, (index - 16) / 6 % 6, (index - 16) % 6].map(level)
        }
        other => panic!("{other:?}"),
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
        for mode in MODES.into_iter().filter(|(render, _)| *render != Render::Ascii) {
            let mut screen = Screen::new(mode);
            screen.draw(&plain(40, 32, colour), Rect::new(0, 0, COLS, ROWS), &[]);
            let (text, fg, bg) = screen.cell(Position { x: 20, y: 8 });
            let seen = rgb(if text == " " { bg } else { fg });
            let is_near = seen.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 2);
            assert!(is_near, "{mode:?}: {seen:?} for {expected:?}");
        }
        let mut letters = Screen::new((Render::Ascii, Color::Mono));
        letters.draw(&plain(40, 32, colour), Rect::new(0, 0, COLS, ROWS), &[]);
        let (text, ..) = letters.cell(Position { x: 20, y: 8 });
        match expected {
            [255, 255, 255] => assert_eq!(text, "@"),
            [0, 0, 0] => assert_eq!(text, " "),
            _ => assert!(!"@ ".contains(text), "{text}"),
        }
    }
}

/// Cells are twice as high as wide, so 40 x 16 of them are 40 x 32 squares. By hand: 4:3 takes 40 x
/// 30, 2:1 takes 40 x 20, and 1:2 takes 16 x 32 of them.
#[test]
fn a_picture_keeps_its_shape_in_the_middle() {
    for (size, columns, rows) in
        [((64, 48), 0..40, 0..15), ((80, 40), 0..40, 3..13), ((32, 64), 12..28, 0..16)]
    {
        for mode in MODES.into_iter().filter(|(_, color)| *color == Color::True) {
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

/// White over black in each cell.
#[test]
fn the_upper_pixel_of_a_cell_is_above_the_lower() {
    let mut frame = plain(40, 32, [16, 128, 128]);
    for row in frame.planes_mut()[0].chunks_mut(40).step_by(2) {
        row.fill(235);
    }
    let mut screen = Screen::new((Render::HalfBlock, Color::True));
    screen.draw(&frame, Rect::new(0, 0, COLS, ROWS), &[]);
    let (text, fg, bg) = screen.cell(Position { x: 7, y: 5 });
    let (upper, lower) = if text == "▀" { (fg, bg) } else { (bg, fg) };
    assert!(text == "▀" || text == "▄", "{text}");
    assert_eq!((rgb(upper), rgb(lower)), ([255, 255, 255], [0, 0, 0]));
}

#[test]
fn slow_change_does_not_drift() {
    let mut screen = Screen::new((Render::HalfBlock, Color::True));
    let area = Rect::new(0, 0, 10, 5);
    let mut frame = Frame::black(10, 10);
    for y in 16..235 {
        frame.planes_mut()[0].fill(y);
        screen.draw(&frame, area, &[]);
        screen.check(&frame, area, &[]);
    }
}

#[test]
fn what_was_overdrawn_is_drawn_again() {
    let mut screen = Screen::new((Render::HalfBlock, Color::True));
    let (frame, area) = (picture(20, 20, 0, 0, 1), Rect::new(0, 0, 20, 10));
    screen.draw(&frame, area, &[]);
    screen.terminal.process(b"\x1b[2J");
    screen.painter.invalidate();
    screen.draw(&frame, area, &[]);
    screen.check(&frame, area, &[]);
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
        mode in prop::sample::select(&MODES[..]),
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
        mode in prop::sample::select(&MODES[..]),
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
