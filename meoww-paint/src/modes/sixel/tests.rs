//! The bytes are decoded by a decoder of these tests, and what it shows is compared with the picture.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::tests::quality_tests::{BYTES_MARGIN, DECIBEL_MARGIN, FRAMES, person};
use crate::{CellShape, Color, Frame, Mode, Painter, Position, Render, Size, Traits};

const CELL: (u16, u16) = (5, 10);
const COLUMNS: u16 = 30;
const ROWS: u16 = 14;

type Rgb = [u8; 3];

/// A screen of pixels; `None` is text.
struct Terminal {
    pixels: Vec<Option<Rgb>>,
    cursor: (u16, u16),
    colors: BTreeMap<u32, Rgb>,
    own_colors: bool,
}

const WIDTH: usize = COLUMNS as usize * CELL.0 as usize;
const HEIGHT: usize = ROWS as usize * CELL.1 as usize;

impl Terminal {
    fn new() -> Self {
        let pixels = vec![None; WIDTH * HEIGHT];
        Self { pixels, cursor: (0, 0), colors: BTreeMap::new(), own_colors: true }
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|byte| *byte == 0x1b) {
            rest = &rest[at..];
            let end = if rest[1] == b'P' {
                let end = rest.windows(2).position(|pair| pair == b"\x1b\\").expect("it ends");
                self.sixels(std::str::from_utf8(&rest[2..end]).unwrap());
                end + 2
            } else {
                let end = rest.iter().position(|byte| byte.is_ascii_alphabetic()).unwrap();
                match &rest[2..=end] {
                    b"?1070l" => self.own_colors = false,
                    sequence => {
                        let text = std::str::from_utf8(sequence).unwrap();
                        let (y, x) = text.strip_suffix('H').unwrap().split_once(';').unwrap();
                        let at = |text: &str| text.parse::<u16>().unwrap() - 1;
                        self.cursor = (at(x), at(y));
                    }
                }
                end + 1
            };
            rest = &rest[end..];
        }
    }

    fn sixels(&mut self, text: &str) {
        let mut text = text.strip_prefix("0;1q").expect("what is left out stays");
        let left = usize::from(self.cursor.0) * usize::from(CELL.0);
        let (mut x, mut y) = (left, usize::from(self.cursor.1) * usize::from(CELL.1));
        if self.own_colors {
            self.colors.clear();
        }
        let (mut color, mut count) = (None, 1);
        let number = |text: &mut &str| {
            let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let (digits, rest) = text.split_at(end);
            *text = rest;
            digits.parse::<u32>().unwrap()
        };
        while let Some(first) = text.chars().next() {
            text = &text[1..];
            match first {
                '#' => {
                    let register = number(&mut text);
                    if text.starts_with(';') {
                        let mut next = || {
                            text = text.strip_prefix(';').unwrap();
                            number(&mut text)
                        };
                        assert_eq!(next(), 2, "RGB");
                        let rgb =
                            [next(), next(), next()].map(|percent| (percent * 255 / 100) as u8);
                        self.colors.insert(register, rgb);
                    } else {
                        color = Some(self.colors[&register]);
                    }
                }
                '!' => count = number(&mut text) as usize,
                '$' => x = left,
                '-' => (x, y) = (left, y + 6),
                '?'..='~' => {
                    let bits = first as u8 - b'?';
                    for _ in 0..std::mem::replace(&mut count, 1) {
                        for bit in (0..6).filter(|bit| bits >> bit & 1 == 1) {
                            assert!(x < WIDTH && y + bit < HEIGHT, "beyond the screen");
                            self.pixels[(y + bit) * WIDTH + x] = Some(color.expect("a colour"));
                        }
                        x += 1;
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

fn painter(sixel: SixelTraits, quality: Quality) -> Box<dyn Painter> {
    let mode = Mode { quality, ..Mode::new(Render::Sixel, Color::True) };
    mode.painter(Traits { sixel, cell_pixels: CELL, ..Traits::USUAL })
}

const KEEPS: SixelTraits = SixelTraits { keeps_colors: true, in_tmux: false, widest: 1000 };
const PLAIN: SixelTraits = SixelTraits { keeps_colors: false, ..KEEPS };
const TMUX: SixelTraits = SixelTraits { in_tmux: true, ..PLAIN };

fn frame(shift: usize) -> Frame {
    let mut frame = Frame::black(120, 96);
    for (index, plane) in frame.planes_mut().into_iter().enumerate() {
        let width = if index == 0 { 120 } else { 60 };
        for (at, value) in plane.iter_mut().enumerate() {
            let (x, y) = (at % width, at / width);
            *value = 60 + ((x + y + shift * 3) % 120) as u8;
        }
    }
    frame
}

/// Where the picture is, and its pixels, in the middle of `area`.
fn wanted(frame: &Frame, area: Rect) -> (Rect, Raster) {
    let (columns, rows) = (usize::from(CELL.0), usize::from(CELL.1));
    let grid =
        crate::sample::PixelGrid { cells: area.size(), columns, rows, shape: CellShape::USUAL };
    let (width, height) = grid.fit(frame.width(), frame.height(), frame.pixel());
    let size = Size { width: (width / columns) as u16, height: (height / rows) as u16 };
    let (x, y) = ((area.width - size.width) / 2, (area.height - size.height) / 2);
    let mut raster = Raster::default();
    raster.sample(frame, width, height);
    (Rect::new(area.x + x, area.y + y, size.width, size.height), raster)
}

/// Squares of 4 x 4 pixels are near in the mean, and holes and all around are text. Returns how far
/// they are on average.
fn check(terminal: &Terminal, frame: &Frame, area: Rect, holes: &[Rect]) -> f64 {
    let (place, raster) = wanted(frame, area);
    let (mut total, mut count) = (0.0, 0.0);
    let is_seen = |at| place.contains(at) && !holes.iter().any(|hole| hole.contains(at));
    for at in Rect::new(0, 0, COLUMNS, ROWS).positions() {
        let (left, top) =
            (usize::from(at.x) * usize::from(CELL.0), usize::from(at.y) * usize::from(CELL.1));
        let pixel = |x: usize, y: usize| terminal.pixels[(top + y) * WIDTH + left + x];
        let mut all = (0..10).flat_map(|y| (0..5).map(move |x| (x, y)));
        if !is_seen(at) {
            assert!(all.all(|(x, y)| pixel(x, y).is_none()), "{at:?} is not the picture's");
            continue;
        }
        let inside = |x: usize, y: usize| {
            let x0 = usize::from(at.x - place.x) * usize::from(CELL.0);
            let y0 = usize::from(at.y - place.y) * usize::from(CELL.1);
            raster.pixel(x0 + x, y0 + y)
        };
        for channel in 0..3 {
            let seen: f64 =
                all.clone().map(|(x, y)| f64::from(pixel(x, y).expect("a pixel")[channel])).sum();
            let wanted: f64 = all.clone().map(|(x, y)| f64::from(inside(x, y)[channel])).sum();
            total += ((seen - wanted) / 50.0).powi(2);
            count += 1.0;
        }
    }
    if count == 0.0 { 0.0 } else { f64::sqrt(total / count) }
}

const AREA: Rect = Rect::new(1, 1, COLUMNS - 2, ROWS - 2);

#[test]
fn the_terminal_shows_the_picture_and_becomes_exact() {
    for sixel in [KEEPS, PLAIN, TMUX] {
        let mut painter = painter(sixel, Quality::USUAL);
        let (mut terminal, mut out) = (Terminal::new(), vec![]);
        for shift in 0..5 {
            out.clear();
            painter.draw(&frame(shift), AREA, &[], &mut out);
            terminal.feed(&out);
            let error = check(&terminal, &frame(shift), AREA, &[]);
            assert!(error < 9.0, "{sixel:?}: {error}");
        }
        for _ in 0..16 {
            out.clear();
            painter.draw(&frame(4), AREA, &[], &mut out);
            terminal.feed(&out);
        }
        assert_eq!(out.len(), 0, "it is at rest");
        let (mut exact, mut again) = (Terminal::new(), vec![]);
        self::painter(sixel, Quality::MAX).draw(&frame(4), AREA, &[], &mut again);
        exact.feed(&again);
        assert!(terminal.pixels == exact.pixels, "{sixel:?}: the pattern moved");
    }
}

/// Each command is short enough for something to go between, also in tmux, which takes 1 MiB.
#[test]
fn a_picture_goes_in_strips() {
    let mut painter = painter(TMUX, Quality::MAX);
    let mut out = vec![];
    painter.draw(&frame(0), Rect::new(0, 0, 200, 60), &[], &mut out);
    let strips: Vec<&[u8]> = out.split(|byte| *byte == 0x1b).collect();
    let count = strips.iter().filter(|strip| strip.first() == Some(&b'P')).count();
    assert!((5..=8).contains(&count), "{count}");
    assert!(strips.iter().all(|strip| strip.len() < 1 << 20));
}

#[test]
fn colours_are_told_once_where_they_are_kept() {
    let cost = |sixel| {
        let (mut painter, mut out) = (painter(sixel, Quality::MAX), vec![]);
        painter.draw(&frame(0), AREA, &[], &mut out);
        out.clear();
        painter.draw(&frame(1), AREA, &[], &mut out);
        String::from_utf8(out).unwrap().matches(";2;").count()
    };
    assert!(cost(KEEPS) < 20 && cost(PLAIN) > 50, "{} and {}", cost(KEEPS), cost(PLAIN));
    let (mut painter, mut out) = (painter(KEEPS, Quality::MAX), vec![]);
    painter.draw(&frame(0), AREA, &[], &mut out);
    painter.invalidate();
    out.clear();
    painter.draw(&frame(0), AREA, &[], &mut out);
    let mut terminal = Terminal::new();
    terminal.feed(&out);
    assert!(check(&terminal, &frame(0), AREA, &[]) < 9.0, "all of it, with its colours");
}

/// On the clip of the other modes, so that neither gets worse unseen. Decibels are of the means of cells. A
/// change that moves the figures on purpose writes the new ones here.
#[test]
fn it_costs_no_more_and_shows_no_less() {
    let (most_bytes, least_decibels) = (1570.0, 40.1);
    let (mut painter, mut terminal) = (painter(KEEPS, Quality::USUAL), Terminal::new());
    let (mut bytes, mut out) = (0, vec![]);
    for time in 0..FRAMES {
        out.clear();
        painter.draw(&person(time), AREA, &[], &mut out);
        terminal.feed(&out);
        bytes += if time == 0 { 0 } else { out.len() };
    }
    let bytes = bytes as f64 / (FRAMES - 1) as f64;
    let decibels = 20.0 * (255.0 / check(&terminal, &person(FRAMES - 1), AREA, &[])).log10();
    let is_good = bytes <= most_bytes * BYTES_MARGIN && decibels >= least_decibels - DECIBEL_MARGIN;
    assert!(is_good, "({bytes:.0}.0, {decibels:.1})");
}

fn rect() -> impl Strategy<Value = Rect> {
    (0..COLUMNS, 0..ROWS).prop_flat_map(|(x, y)| {
        (1..=COLUMNS - x, 1..=ROWS - y).prop_map(move |(w, h)| Rect::new(x, y, w, h))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_changes_end_in_the_picture_and_overlays_are_holes(
        sixel in prop::sample::select(vec![KEEPS, PLAIN, TMUX]),
        area in rect(),
        steps in prop::collection::vec((prop::collection::vec(rect(), 0..3), any::<bool>()), 1..6),
    ) {
        let mut painter = painter(sixel, Quality::USUAL);
        let mut terminal = Terminal::new();
        for (shift, (holes, is_lost)) in steps.into_iter().enumerate() {
            if is_lost {
                painter.invalidate();
                terminal = Terminal::new();
            }
            // An overlay takes the pixels of its cells away.
            for at in holes.iter().flat_map(|hole| hole.positions()) {
                let Position { x, y } = at;
                for row in usize::from(y) * 10..usize::from(y + 1) * 10 {
                    terminal.pixels[row * WIDTH + usize::from(x) * 5..][..5].fill(None);
                }
            }
            let mut out = Vec::new();
            painter.draw(&frame(shift), area, &holes, &mut out);
            terminal.feed(&out);
            prop_assert!(check(&terminal, &frame(shift), area, &holes) < 16.0);
        }
    }

    #[test]
    fn any_size_can_be_drawn(width in 0u16..200, height in 0u16..80, frame in (2usize..64, 2usize..64)) {
        let mut painter = painter(KEEPS, Quality::USUAL);
        let mut out = Vec::new();
        let area = Rect::new(0, 0, width, height);
        painter.draw(&Frame::black(frame.0, frame.1), area, &[], &mut out);
    }
}
