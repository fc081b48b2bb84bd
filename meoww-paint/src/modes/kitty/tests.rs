//! Commands are carried out by a terminal of these tests, which decodes PNG with another library's
//! decoder, and what it shows is compared with the picture.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;

use super::*;
use crate::tests::quality_tests::{BYTES_MARGIN, DECIBEL_MARGIN, FRAMES, person};
use crate::{CellShape, Color, Frame, Mode, Painter, Render, Size, Traits};

const CELL: (u16, u16) = (5, 10);
const COLUMNS: u16 = 30;
const ROWS: u16 = 12;

type Rgb = [u8; 3];

struct Image {
    width: usize,
    pixels: Vec<Rgb>,
}

/// Where a part of an image is shown: cells, and pixels of the image.
struct Placement {
    cells: Rect,
    pixels: [usize; 4],
}

#[derive(Default)]
struct Terminal {
    images: BTreeMap<u32, Image>,
    placements: BTreeMap<(u32, u32), Placement>,
    cursor: (u16, u16),
    /// Of a command that goes on.
    begun: Option<(BTreeMap<char, String>, Vec<u8>)>,
    bytes: usize,
}

impl Terminal {
    fn feed(&mut self, bytes: &[u8]) {
        self.bytes = bytes.len();
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|byte| *byte == 0x1b) {
            rest = &rest[at..];
            if rest[1] == b'_' {
                let end = rest.windows(2).position(|pair| pair == b"\x1b\\").expect("it ends");
                assert!(end < 4096 + 200, "a command of {end} bytes");
                self.apc(std::str::from_utf8(&rest[3..end]).unwrap());
                rest = &rest[end + 2..];
            } else {
                let end = rest.iter().position(|byte| byte.is_ascii_alphabetic()).unwrap();
                if rest[end] == b'H' {
                    let text = std::str::from_utf8(&rest[2..end]).unwrap();
                    let (y, x) = text.split_once(';').unwrap();
                    self.cursor = (x.parse::<u16>().unwrap() - 1, y.parse::<u16>().unwrap() - 1);
                }
                rest = &rest[end + 1..];
            }
        }
    }

    fn apc(&mut self, text: &str) {
        let (control, payload) = text.split_once(';').unwrap_or((text, ""));
        let keys = control.split(',').map(|pair| pair.split_once('=').unwrap());
        let keys: BTreeMap<char, String> =
            keys.map(|(key, value)| (key.chars().next().unwrap(), value.to_owned())).collect();
        let payload = STANDARD.decode(payload).unwrap();
        let (first, mut data) = self.begun.take().unwrap_or((keys.clone(), Vec::new()));
        data.extend(payload);
        assert_eq!(
            keys.get(&'a').is_some_and(|kind| kind == "f"),
            first.get(&'a').is_some_and(|kind| kind == "f"),
            "each part"
        );
        if keys.get(&'m').is_some_and(|more| more == "1") {
            self.begun = Some((first, data));
        } else {
            self.carry_out(&first, data);
        }
    }

    fn carry_out(&mut self, keys: &BTreeMap<char, String>, data: Vec<u8>) {
        let number = |key: char| keys.get(&key).map_or(0, |text| text.parse::<usize>().unwrap());
        assert_eq!(number('q'), 2, "it would answer");
        let id = number('i') as u32;
        match keys.get(&'a').map(String::as_str) {
            Some("t") => {
                let (width, pixels) = self.picture(keys, data);
                let pixels = pixels.into_iter().map(|(rgb, _)| rgb).collect();
                self.placements.retain(|(image, _), _| *image != id);
                self.images.insert(id, Image { width, pixels });
            }
            Some("f") => {
                assert_eq!(number('r'), 1);
                let (width, pixels) = self.picture(keys, data);
                let image = self.images.get_mut(&id).expect("it was sent");
                for (index, (rgb, alpha)) in pixels.into_iter().enumerate() {
                    let (x, y) = (number('x') + index % width, number('y') + index / width);
                    if alpha > 0 || number('X') == 1 {
                        image.pixels[y * image.width + x] = rgb;
                    }
                }
            }
            Some("p") => {
                assert_eq!(number('C'), 1, "the cursor moves");
                let (x, y) = self.cursor;
                let cells = Rect::new(x, y, number('c') as u16, number('r') as u16);
                let pixels = ['x', 'y', 'w', 'h'].map(number);
                self.placements.insert((id, number('p') as u32), Placement { cells, pixels });
            }
            Some("d") => {
                self.placements.retain(|(image, _), _| *image != id);
                if keys[&'d'] == "I" {
                    self.images.remove(&id);
                }
            }
            other => assert!(other.is_none() && data.is_empty(), "{keys:?}"),
        }
    }

    /// Its width, and its pixels with how opaque they are.
    fn picture(&self, keys: &BTreeMap<char, String>, data: Vec<u8>) -> (usize, Vec<(Rgb, u8)>) {
        let size = |key| keys[&key].parse::<usize>().unwrap();
        if keys.get(&'t').is_some_and(|medium| medium == "s") {
            let name = format!("/dev/shm{}", String::from_utf8(data).unwrap());
            let pixels = std::fs::read(&name).unwrap();
            std::fs::remove_file(name).unwrap();
            assert_eq!((keys[&'f'].as_str(), pixels.len()), ("24", size('s') * size('v') * 3));
            return (size('s'), pixels.as_chunks::<3>().0.iter().map(|p| (*p, 255)).collect());
        }
        assert_eq!(keys[&'f'], "100");
        let mut decoder = ::png::Decoder::new(std::io::Cursor::new(data));
        // Of a palette, whose first colour is transparent.
        decoder.set_transformations(::png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        // One that was sent in part is no picture.
        let Ok(info) = reader.next_frame(&mut pixels) else { return (0, Vec::new()) };
        let width = info.width as usize;
        let pixels = match info.color_type {
            ::png::ColorType::Rgb => {
                pixels.as_chunks::<3>().0.iter().map(|pixel| (*pixel, 255)).collect()
            }
            ::png::ColorType::Rgba => {
                let pixels = pixels.as_chunks::<4>().0.iter();
                pixels.map(|[r, g, b, a]| ([*r, *g, *b], *a)).collect()
            }
            other => panic!("{other:?}"),
        };
        (width, pixels)
    }

    /// Returns the colour of a cell's pixel, if it shows a picture.
    fn seen(&self, at: (u16, u16), pixel: (usize, usize)) -> Option<Rgb> {
        let position = crate::Position { x: at.0, y: at.1 };
        let mut found = self.placements.iter().filter(|(_, p)| p.cells.contains(position));
        let ((id, _), Placement { cells, pixels: [x, y, width, height] }) = found.next()?;
        assert!(found.next().is_none(), "two pictures in {at:?}");
        let image = &self.images[id];
        let (across, down) = (width / usize::from(cells.width), height / usize::from(cells.height));
        let x = x + usize::from(at.0 - cells.x) * across + pixel.0 * across / usize::from(CELL.0);
        let y = y + usize::from(at.1 - cells.y) * down + pixel.1 * down / usize::from(CELL.1);
        Some(image.pixels[y * image.width + x])
    }
}

fn painter(kitty: KittyTraits) -> Box<dyn Painter> {
    let mode = Mode::new(Render::Kitty, Color::True);
    mode.painter(Traits { kitty, cell_pixels: CELL, ..Traits::USUAL })
}

const REMOTE: KittyTraits = KittyTraits { edits: true, shares: false, in_tmux: false };
const LOCAL: KittyTraits = KittyTraits { shares: true, ..REMOTE };
const PLAIN: KittyTraits = KittyTraits { edits: false, ..REMOTE };

fn frame(shift: usize) -> Frame {
    let mut frame = Frame::black(120, 96);
    for (index, plane) in frame.planes_mut().into_iter().enumerate() {
        let width = if index == 0 { 120 } else { 60 };
        for (at, value) in plane.iter_mut().enumerate() {
            let (x, y) = (at % width, at / width);
            *value = 40 + ((x * 3 + y * 2 + shift * 5) % 160) as u8;
        }
    }
    frame
}

/// Of what the terminal shows of the picture in the middle of `area`; holes show none.
fn decibels(terminal: &Terminal, frame: &Frame, area: Rect, holes: &[Rect]) -> f64 {
    let grid = crate::sample::PixelGrid {
        cells: area.size(),
        columns: CELL.0.into(),
        rows: CELL.1.into(),
        shape: CellShape::USUAL,
    };
    let (width, height) = grid.fit(frame.width(), frame.height(), frame.pixel());
    let (columns, rows) = (width / usize::from(CELL.0), height / usize::from(CELL.1));
    let picture = Rect {
        x: area.x + (area.width - columns as u16) / 2,
        y: area.y + (area.height - rows as u16) / 2,
        width: columns as u16,
        height: rows as u16,
    };
    // The pixels that are sent, at most as many as the frame has.
    let across = usize::from(CELL.0).min(frame.width().div_ceil(columns));
    let down = usize::from(CELL.1).min(frame.height().div_ceil(rows));
    let mut raster = Raster::default();
    raster.sample(frame, columns * across, rows * down);
    let (mut squares, mut count) = (0.0, 0usize);
    for at in Rect::new(0, 0, COLUMNS, ROWS).positions() {
        let is_seen = picture.contains(at) && !holes.iter().any(|hole| hole.contains(at));
        for (x, y) in [(0, 0), (2, 4), (4, 9)] {
            let seen = terminal.seen((at.x, at.y), (x, y));
            assert_eq!(seen.is_some(), is_seen, "{at:?}");
            let Some(seen) = seen else { continue };
            let wanted = raster.pixel(
                usize::from(at.x - picture.x) * across + x * across / usize::from(CELL.0),
                usize::from(at.y - picture.y) * down + y * down / usize::from(CELL.1),
            );
            for (seen, wanted) in seen.into_iter().zip(wanted) {
                squares += (f64::from(seen) - f64::from(wanted)).powi(2);
                count += 1;
            }
        }
    }
    if squares == 0.0 { f64::INFINITY } else { 10.0 * (65025.0 * count as f64 / squares).log10() }
}

const AREA: Rect = Rect::new(1, 1, COLUMNS - 2, ROWS - 3);

#[test]
fn the_terminal_shows_the_picture_and_becomes_exact() {
    for kitty in [REMOTE, LOCAL, PLAIN] {
        let (mut painter, mut terminal, mut out) = (painter(kitty), Terminal::default(), vec![]);
        for shift in 0..4 {
            out.clear();
            painter.draw(&frame(shift), AREA, &[], &mut out);
            terminal.feed(&out);
            let decibels = decibels(&terminal, &frame(shift), AREA, &[]);
            assert!(decibels > 37.0, "{kitty:?}: {decibels}");
        }
        for _ in 0..20 {
            out.clear();
            painter.draw(&frame(3), AREA, &[], &mut out);
            terminal.feed(&out);
        }
        assert_eq!(decibels(&terminal, &frame(3), AREA, &[]), f64::INFINITY, "{kitty:?}");
        assert_eq!((out.len(), terminal.images.len()), (0, 1), "{kitty:?}");
        painter.erase(&mut out);
        terminal.feed(&out);
        assert!(terminal.images.is_empty() && terminal.placements.is_empty());
    }
}

/// Beside the picture, nothing is sent of what does not change.
#[test]
fn small_changes_cost_little() {
    let (mut painter, mut terminal, mut out) = (painter(REMOTE), Terminal::default(), vec![]);
    painter.draw(&frame(0), AREA, &[], &mut out);
    terminal.feed(&out);
    let whole = out.len();
    out.clear();
    let mut changed = frame(0);
    changed.planes_mut()[0][50 * 120 + 60..][..8].fill(250);
    painter.draw(&changed, AREA, &[], &mut out);
    terminal.feed(&out);
    assert!(out.len() * 10 < whole && !out.is_empty(), "{} of {whole}", out.len());
    assert!(decibels(&terminal, &changed, AREA, &[]) > 37.0);
}

#[test]
fn what_the_terminal_lost_is_sent_again() {
    let (mut painter, mut terminal, mut out) = (painter(REMOTE), Terminal::default(), vec![]);
    painter.draw(&frame(0), AREA, &[], &mut out);
    // It was stopped amid the picture.
    let end = out.windows(2).position(|pair| pair == b"\x1b\\").unwrap() + 2;
    terminal.feed(&out[..end]);
    painter.invalidate();
    out.clear();
    painter.draw(&frame(1), AREA, &[], &mut out);
    terminal.feed(&out);
    assert!(decibels(&terminal, &frame(1), AREA, &[]) > 37.0);
    terminal.feed(&delete_all(false));
    assert!(terminal.images.is_empty() && terminal.placements.is_empty());
}

#[test]
fn tmux_shows_it_in_cells_of_text() {
    let (mut painter, mut out) = (painter(KittyTraits { in_tmux: true, ..REMOTE }), vec![]);
    let hole = Rect::new(9, 3, 4, 2);
    painter.draw(&frame(0), AREA, &[hole], &mut out);
    let [rows, columns] = [ROWS, COLUMNS].map(|n| std::num::NonZeroU16::new(n).unwrap());
    let mut screen = vt100::Parser::new(rows, columns, 0);
    screen.process(&out);
    let mut colors = Vec::new();
    for at in Rect::new(0, 0, COLUMNS, ROWS).positions() {
        let cell = screen.screen().cell(at.y, at.x).unwrap();
        let is_picture = cell.contents().starts_with('\u{10EEEE}');
        assert!(!(is_picture && hole.contains(at)), "{at:?}");
        colors.extend(is_picture.then(|| cell.fgcolor()));
    }
    // 5:4 of 9 rows of 10 are 112.5 wide: 23 columns of 5, of which a hole has 4 x 2.
    assert_eq!(colors.len(), 23 * 9 - 8);
    let id = match colors[0] {
        vt100::Color::Rgb(r, g, b) => u32::from(r) << 16 | u32::from(g) << 8 | u32::from(b),
        other => panic!("{other:?}"),
    };
    assert!(id > 255 && colors.iter().all(|color| *color == colors[0]));
    let text = String::from_utf8_lossy(&out);
    assert!(text.contains(&format!("\x1bPtmux;\x1b\x1b_Ga=p,U=1,i={id},c=23,r=9,q=2\x1b\x1b\\")));
    out.clear();
    painter.draw(&frame(0), AREA, &[], &mut out);
    screen.process(&out);
    let cell = screen.screen().cell(3, 9).unwrap().contents();
    // Row 2 and column 6 of the picture, which begins at 1 and 3.
    assert_eq!(cell, "\u{10EEEE}\u{30E}\u{33E}");
}

/// On the clip of the other modes, so that neither gets worse unseen. Decibels are of some of its pixels. A
/// change that moves the figures on purpose writes the new ones here.
#[test]
fn it_costs_no_more_and_shows_no_less() {
    let (most_bytes, least_decibels) = (1331.0, 37.8);
    let (mut painter, mut terminal) = (painter(REMOTE), Terminal::default());
    let (mut bytes, mut out) = (0, vec![]);
    for time in 0..FRAMES {
        out.clear();
        painter.draw(&person(time), AREA, &[], &mut out);
        terminal.feed(&out);
        bytes += if time == 0 { 0 } else { out.len() };
    }
    let bytes = bytes as f64 / (FRAMES - 1) as f64;
    let decibels = decibels(&terminal, &person(FRAMES - 1), AREA, &[]);
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
        kitty in prop::sample::select(vec![REMOTE, PLAIN, LOCAL]),
        steps in prop::collection::vec((rect(), prop::collection::vec(rect(), 0..3), any::<bool>()), 1..6),
    ) {
        let (mut painter, mut terminal) = (painter(kitty), Terminal::default());
        for (shift, (area, holes, is_lost)) in steps.into_iter().enumerate() {
            if is_lost {
                painter.invalidate();
            }
            let mut out = Vec::new();
            painter.draw(&frame(shift), area, &holes, &mut out);
            terminal.feed(&out);
            let decibels = decibels(&terminal, &frame(shift), area, &holes);
            // Of a mean squared error of two squared steps, and more where few pixels are seen.
            prop_assert!(decibels > 26.0, "{decibels}");
            prop_assert!(terminal.images.len() == 1);
        }
    }

    #[test]
    fn any_size_can_be_drawn(width in 0u16..500, height in 0u16..200, frame in (2usize..64, 2usize..64)) {
        let mut painter = painter(REMOTE);
        let size = Size { width, height };
        prop_assert!(painter.grid(size).width() >= 16);
        let mut out = Vec::new();
        painter.draw(&Frame::black(frame.0, frame.1), Rect::from(size), &[], &mut out);
    }
}
