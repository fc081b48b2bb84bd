use image::{DynamicImage, GenericImageView, load_from_memory};

use super::*;
use crate::{Color, Frame, Mode, Painter, Render, Traits};

fn painter() -> Box<dyn Painter> {
    Mode::new(Render::Iterm2, Color::True).painter(Traits { cell_pixels: (5, 10), ..Traits::USUAL })
}

/// A grey that becomes lighter from left to right.
fn frame() -> Frame {
    let mut frame = Frame::black(80, 80);
    for (at, value) in frame.planes_mut()[0].iter_mut().enumerate() {
        *value = 40 + (at % 80) as u8 * 2;
    }
    frame
}

/// Where each image is, in columns and rows from 1, how many of them it takes, and the image.
fn images(out: &[u8]) -> Vec<([u16; 4], DynamicImage)> {
    let text = std::str::from_utf8(out).unwrap();
    let files = text.split("\x1b]1337;File=").skip(1).zip(text.split("\x1b]1337;"));
    let number = |text: &str| text.parse::<u16>().unwrap();
    files
        .map(|(file, before)| {
            let (y, x) = before.rsplit_once("\x1b[").unwrap().1.split_once(';').unwrap();
            let (keys, data) = file.split_once(':').unwrap();
            let key = |name: &str| {
                let found = keys.split(';').find_map(|pair| pair.strip_prefix(name));
                found.unwrap_or_else(|| panic!("{name} in {keys}"))
            };
            let data = STANDARD.decode(data.split_once('\x07').unwrap().0).unwrap();
            assert_eq!((key("inline="), key("size=")), ("1", data.len().to_string().as_str()));
            let [x, y] = [x.trim_end_matches('H'), y].map(number);
            let place = [x, y, number(key("width=")), number(key("height="))];
            (place, load_from_memory(&data).unwrap())
        })
        .collect()
}

#[test]
fn the_picture_goes_whole_and_exactly_once_it_rests() {
    let (mut painter, area, mut out) = (painter(), Rect::new(2, 1, 16, 8), vec![]);
    let mut sizes = Vec::new();
    for _ in 0..6 {
        out.clear();
        painter.draw(&frame(), area, &[], &mut out);
        sizes.push(out.len());
        for (place, image) in images(&out) {
            assert_eq!((place, image.dimensions()), ([3, 2, 16, 8], (80, 80)));
            for x in [0, 40, 79] {
                // Luma in limited range.
                let wanted = (24.0 + f64::from(x) * 2.0) * 255.0 / 219.0;
                let seen = f64::from(image.get_pixel(x, 30).0[0]);
                assert!((seen - wanted).abs() < 5.0, "{seen} for {wanted}");
            }
        }
    }
    let is_sent: Vec<bool> = sizes.iter().map(|size| *size > 0).collect();
    assert_eq!(is_sent, [true, false, false, true, false, false]);
    painter.invalidate();
    out.clear();
    painter.draw(&frame(), area, &[], &mut out);
    assert_eq!(images(&out).len(), 1, "it was lost");
}

#[test]
fn overlays_are_left_out() {
    let (mut painter, mut out) = (painter(), vec![]);
    let hole = Rect::new(4, 3, 5, 2);
    painter.draw(&frame(), Rect::new(0, 0, 16, 8), &[hole], &mut out);
    let places: Vec<[u16; 4]> = images(&out).into_iter().map(|(place, _)| place).collect();
    assert_eq!(places, [[1, 1, 16, 3], [1, 4, 4, 2], [10, 4, 7, 2], [1, 6, 16, 3]]);
}
