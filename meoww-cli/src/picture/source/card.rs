//! The picture sent without a camera: a sleeping cat and the words "no camera".

use meoww_paint::Frame;

const WIDTH: usize = 320;
const HEIGHT: usize = 240;

type Rgb = [u8; 3];
const GROUND: Rgb = [24, 22, 30];
const FUR: Rgb = [72, 64, 84];
/// The accent of the screen's own theme.
const NOSE: Rgb = [255, 135, 175];
const TEXT: Rgb = [176, 170, 186];

/// Screen pixels a pixel of a letter: the words are still read at a quarter of the size.
const SCALE: usize = 4;
const TEXT_TOP: usize = 46 * SCALE;
/// Letters five pixels wide, a bit each, in seven rows.
const LETTERS: [(char, [u8; 7]); 7] = [
    ('a', [0b00000, 0b00000, 0b01110, 0b00001, 0b01111, 0b10001, 0b01111]),
    ('c', [0b00000, 0b00000, 0b01110, 0b10000, 0b10000, 0b10001, 0b01110]),
    ('e', [0b00000, 0b00000, 0b01110, 0b10001, 0b11111, 0b10000, 0b01110]),
    ('m', [0b00000, 0b00000, 0b11010, 0b10101, 0b10101, 0b10101, 0b10101]),
    ('n', [0b00000, 0b00000, 0b10110, 0b11001, 0b10001, 0b10001, 0b10001]),
    ('o', [0b00000, 0b00000, 0b01110, 0b10001, 0b10001, 0b10001, 0b01110]),
    ('r', [0b00000, 0b00000, 0b10110, 0b11001, 0b10000, 0b10000, 0b10000]),
];

/// The card, 320x240.
pub(super) fn draw() -> Frame {
    let mut pixels = vec![GROUND; WIDTH * HEIGHT];
    for (at, pixel) in pixels.iter_mut().enumerate() {
        let (x, y) = ((at % WIDTH) as f32 - 160.0, (at / WIDTH) as f32 - 104.0);
        // Left and right are the same.
        if let Some(colour) = cat(x.abs(), y) {
            *pixel = colour;
        }
    }
    write(&mut pixels, "no camera");
    Frame::from_rgb(WIDTH, HEIGHT, pixels.as_flattened(), WIDTH * 3)
        .expect("as many pixels as the sides say")
}

/// The colour `x` to the side and `y` below the middle of the face; `None` where the ground shows.
fn cat(x: f32, y: f32) -> Option<Rgb> {
    // Two arcs for closed eyes, the lower rim of a ring each.
    let from_eye = (x - 30.0).hypot(y + 14.0);
    if (12.0..17.0).contains(&from_eye) && y > -10.0 {
        return Some(GROUND);
    }
    if (14.0..22.0).contains(&y) && x < 22.0 - y {
        return Some(NOSE);
    }
    // The mouth: two arcs that meet under the nose.
    let from_cheek = (x - 10.0).hypot(y - 22.0);
    if (8.0..12.0).contains(&from_cheek) && y > 24.0 {
        return Some(GROUND);
    }
    let head = (x / 68.0).hypot(y / 54.0) < 1.0;
    // A triangle on each side, its tip outward.
    let (outer, inner) = (62.0 - (y + 84.0) * 0.06, 58.0 - (y + 84.0) * 0.8);
    let ear = (-84.0..-20.0).contains(&y) && x < outer && x > inner;
    (head || ear).then_some(FUR)
}

fn write(pixels: &mut [Rgb], text: &str) {
    let advance = 6 * SCALE;
    // On the grid that a quarter of the size has.
    let left = (WIDTH - text.len() * advance) / 2 / SCALE * SCALE;
    for (index, letter) in text.chars().enumerate() {
        let Some((_, rows)) = LETTERS.iter().find(|(name, _)| *name == letter) else { continue };
        for (y, x) in (0..7 * SCALE).flat_map(|y| (0..5 * SCALE).map(move |x| (y, x))) {
            if rows[y / SCALE] >> (4 - x / SCALE) & 1 == 1 {
                pixels[(TEXT_TOP + y) * WIDTH + left + index * advance + x] = TEXT;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use meoww_paint::Scaler;

    use super::*;
    use crate::picture::{decode::Decoder, encode::Encoder};

    /// In an eighty columns' window, before and after the codec.
    #[test]
    fn the_words_are_still_read_at_a_quarter_of_the_size() {
        let small = Scaler::default().scale(&Arc::new(draw()), (80, 60));
        let coded = Encoder::new(100_000).encode(&small, Duration::ZERO, true).unwrap().unwrap();
        let seen = Decoder::new().unwrap().decode(&coded.data).unwrap().unwrap();
        for frame in [&*small, &seen] {
            let row = |y: usize| {
                let row = &frame.planes()[0][(46 + y) * 80..][..80];
                row.iter().map(|luma| if *luma > 80 { '#' } else { ' ' }).collect::<String>()
            };
            let words = (0..7).map(|y| row(y).trim().to_owned()).collect::<Vec<_>>();
            assert_eq!(
                words[2..],
                [
                    "# ##   ###         ###   ###  ## #   ###  # ##   ###",
                    "##  # #   #       #         # # # # #   # ##  #     #",
                    "#   # #   #       #      #### # # # ##### #      ####",
                    "#   # #   #       #   # #   # # # # #     #     #   #",
                    "#   #  ###         ###   #### # # #  ###  #      ####",
                ]
            );
        }
    }

    #[test]
    fn the_cat_is_even() {
        let frame = draw();
        let face = frame.planes()[0][..WIDTH * 160].chunks(WIDTH);
        for row in face {
            // The middle column is column 160; column 0 has no counterpart.
            assert!((1..160).all(|x| row[160 - x] == row[160 + x]));
        }
    }
}
