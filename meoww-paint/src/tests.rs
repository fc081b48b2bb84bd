//! The bytes are given to a terminal emulator, and its screen is compared with the picture.

#[path = "color_tests.rs"]
mod color_tests;
#[path = "quality_tests.rs"]
pub(crate) mod quality_tests;
#[path = "screen_tests.rs"]
mod screen_tests;

use std::num::NonZeroU16;

use proptest::prelude::*;

use crate::{
    layout::Planes,
    letterforms::{FIRST, FORMS},
    letters,
    modes::{Symbols, braille, half, octant, quadrant, sextant},
    palette::Rgb,
    sample::{PixelGrid, Sampler},
    split::{self, Splitter},
    *,
};

use self::screen_tests::{Screen, rgb};

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
        Render::Ascii | Render::Kitty | Render::Iterm2 | Render::Sixel => None,
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
    let mut planes = Planes::default();
    Sampler::default().sample(&frame, 40, 32, &mut planes);
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
            let wanted = planes.each_ref().map(|plane| plane[place]);
            assert_eq!(rgb(seen, true), wanted, "{at:?}");
        }
    }
}

/// A player that draws a still again stops then.
#[test]
fn every_mode_says_when_nothing_is_left_to_improve() {
    let renders = Render::ALL.map(|render| mode(render, Color::True));
    for mode in renders {
        let edits = kitty::KittyTraits { edits: true, ..Traits::USUAL.kitty };
        for kitty in [Traits::USUAL.kitty, edits] {
            let mut painter = mode.painter(Traits { kitty, ..Traits::USUAL });
            let (frame, area) = (picture(64, 48, 0, 9, 1), Rect::new(0, 0, COLS, ROWS));
            let mut out = Vec::new();
            let mut times = 0;
            while !painter.is_settled() {
                times += 1;
                assert!(times <= 26, "{mode:?} does not come to rest");
                painter.draw(&frame, area, &[], &mut out);
            }
            let length = out.len();
            painter.draw(&frame, area, &[], &mut out);
            assert_eq!(out.len(), length, "{mode:?} was not as exact as it becomes");
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
