//! Bytes and sharpness of every mode on one clip, so that neither gets worse unseen.
//!
//! Figures are of this clip alone. A change that moves them on purpose writes the new ones here.

use super::{Screen, mode, rgb, symbols};
use crate::{
    layout::Planes,
    sample::{PixelGrid, Sampler},
    *,
};

const AREA: Rect = Rect::new(0, 0, 40, 15);
pub(crate) const FRAMES: usize = 24;
/// Bytes may be so many times those of the table, and decibels so many fewer.
pub(crate) const BYTES_MARGIN: f64 = 1.05;
pub(crate) const DECIBEL_MARGIN: f64 = 0.2;

/// Like a person before a wall: a lit gradient that stays, and a textured disc that moves.
pub(crate) fn person(time: usize) -> Frame {
    let (width, height) = (320, 240);
    let mut frame = Frame::black(width, height);
    let mut state = time as u32;
    for (index, plane) in frame.planes_mut().into_iter().enumerate() {
        let scale = if index == 0 { 1 } else { 2 };
        for (at, value) in plane.iter_mut().enumerate() {
            let (x, y) = (at % (width / scale) * scale, at / (width / scale) * scale);
            let (dx, dy) = (x as i32 - 140 - time as i32 * 2, y as i32 - 130);
            let shade = match (index, dx * dx + dy * dy < 70 * 70) {
                (0, true) => 150 + (dx / 4 % 16 - 8) * (dy / 6 % 12 - 6),
                (0, false) => 60 + x as i32 / 4 + y as i32 / 12,
                (_, true) => 128 + (index as i32 * 50 - 75) * (70 + dy) / 140,
                (_, false) => 138 - x as i32 / 16,
            };
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let grain = (state >> 24) as i32 % 5 - 2;
            *value = (shade + grain).clamp(16, 235) as u8;
        }
    }
    frame
}

/// A picture as it is seen, and as it is wanted: red, green and blue.
type Pictures = [[Vec<f64>; 3]; 2];

/// What the screen shows of a frame that fills the area, and its width in pixels.
fn pictures(screen: &Screen, frame: &Frame) -> (usize, Pictures) {
    let symbols = symbols(screen.mode.render).expect("letters are no pixels");
    let (across, down) = (symbols.across, symbols.down);
    let grid =
        PixelGrid { cells: AREA.size(), columns: across, rows: down, shape: CellShape::USUAL };
    let (width, height) = grid.fit(frame.width(), frame.height(), frame.pixel());
    assert_eq!((width / across, height / down), (AREA.width.into(), AREA.height.into()));
    let mut wanted = Planes::default();
    Sampler::default().sample(frame, width, height, &mut wanted);
    let wanted = wanted.map(|plane| plane.into_iter().map(f64::from).collect());
    let mut seen = [(); 3].map(|()| vec![0.0; width * height]);
    for at in AREA.positions() {
        let (text, fg, bg) = screen.cell(at);
        let mask = (0..1 << (across * down)).find(|mask| text.starts_with((symbols.glyph)(*mask)));
        let mask = mask.expect("a glyph of the mode");
        for pixel in 0..across * down {
            let is_front = mask >> pixel & 1 == 1;
            let color = rgb(if is_front { fg } else { bg }, is_front);
            let x = usize::from(at.x) * across + pixel % across;
            let y = usize::from(at.y) * down + pixel / across;
            seen.iter_mut().zip(color).for_each(|(plane, v)| plane[y * width + x] = v.into());
        }
    }
    (width, [seen, wanted])
}

/// As the eye does: the mean of a pixel and its eight neighbours, of which the near ones count more.
fn blurred(plane: &[f64], width: usize) -> Vec<f64> {
    let height = plane.len() / width;
    let at = |x: usize, y: usize, dx: usize, dy: usize| {
        let x = (x + dx).saturating_sub(1).min(width - 1);
        let y = (y + dy).saturating_sub(1).min(height - 1);
        plane[y * width + x] * [1.0, 2.0, 1.0][dx] * [1.0, 2.0, 1.0][dy] / 16.0
    };
    let sum = |index: usize| -> f64 {
        let (x, y) = (index % width, index / width);
        (0..9).map(|i| at(x, y, i % 3, i / 3)).sum()
    };
    (0..plane.len()).map(sum).collect()
}

fn luma([r, g, b]: &[Vec<f64>; 3]) -> Vec<f64> {
    let pixels = r.iter().zip(g).zip(b);
    pixels.map(|((r, g), b)| 0.299 * r + 0.587 * g + 0.114 * b).collect()
}

/// The peak signal-to-noise ratio: of the colours, of the blurred colours of a palette, or of the
/// blurred brightness where there are no colours.
fn decibels(color: Color, width: usize, pictures: &Pictures) -> f64 {
    let seen_as = |picture: &[Vec<f64>; 3]| -> Vec<f64> {
        match color {
            Color::True => picture.concat(),
            Color::Ansi256 | Color::Ansi16 => {
                picture.iter().flat_map(|plane| blurred(plane, width)).collect()
            }
            Color::Mono => blurred(&luma(picture), width),
        }
    };
    let [seen, wanted] = pictures.each_ref().map(seen_as);
    let squares = seen.iter().zip(&wanted).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    10.0 * (65025.0 * seen.len() as f64 / squares).log10()
}

/// Bytes a frame after the first, and decibels after the last.
fn measure(mode: Mode) -> (f64, f64) {
    let mut screen = Screen::new(mode);
    screen.draw(&person(0), AREA, &[]);
    let bytes: usize = (1..FRAMES).map(|time| screen.draw(&person(time), AREA, &[])).sum();
    let (width, pictures) = pictures(&screen, &person(FRAMES - 1));
    (bytes as f64 / (FRAMES - 1) as f64, decibels(mode.color, width, &pictures))
}

#[test]
fn no_mode_costs_more_or_shows_less() {
    let expected = [
        (Render::HalfBlock, Color::True, 1466.0, 41.1),
        (Render::Quadrant, Color::True, 1603.0, 38.4),
        (Render::Sextant, Color::True, 1634.0, 36.9),
        (Render::Octant, Color::True, 1669.0, 36.9),
        (Render::HalfBlock, Color::Ansi256, 442.0, 35.5),
        (Render::Octant, Color::Ansi256, 646.0, 33.3),
        (Render::HalfBlock, Color::Ansi16, 310.0, 27.6),
        (Render::HalfBlock, Color::Mono, 60.0, 24.6),
        (Render::Braille, Color::Mono, 232.0, 24.9),
    ];
    let mut worse = String::new();
    for (render, color, most_bytes, least_decibels) in expected {
        let (bytes, decibels) = measure(mode(render, color));
        if bytes > most_bytes * BYTES_MARGIN || decibels < least_decibels - DECIBEL_MARGIN {
            worse +=
                &format!("\n(Render::{render:?}, Color::{color:?}, {bytes:.0}.0, {decibels:.1}),");
        }
    }
    assert!(worse.is_empty(), "{worse}");
}
