//! Four pixels a cell in two colours, with the quadrants of Unicode's block elements
//! (U+2596 to U+259F, and the halves).
//!
//! Of the eight ways to split four pixels into two groups, the one that loses least: each group is
//! shown in its mean, and the loss is the squared distance from it.

use super::{About, Glyphs};
use crate::{
    mode::Color,
    palette::Rgb,
    pen::{Pen, near_or_same},
};

pub(crate) const ABOUT: About = About {
    name: "quadrant",
    help: "Four pixels a character cell, in two colours: sharper, with less colour",
    needs_unicode: true,
    needs_colors: true,
};

/// Glyphs by the pixels in the foreground: bit 0 is the upper left, 1 the upper right, 2 the lower
/// left, 3 the lower right.
const GLYPHS: [&str; 16] =
    [" ", "▘", "▝", "▀", "▖", "▌", "▞", "▛", "▗", "▚", "▐", "▜", "▄", "▙", "▟", "█"];

pub(crate) struct Quadrant;

impl Glyphs<4> for Quadrant {
    const COLUMNS: usize = 2;

    /// Remembers the pixels it was asked for: what two colours show of four is not near to them.
    fn draw(pen: &mut Pen<'_>, wanted: [Rgb; 4]) -> [Rgb; 4] {
        let Split { mask, front, back } = split(wanted);
        if pen.plain(front, back).is_some() {
            return wanted;
        }
        if pen.at_hand(front, back) >= pen.at_hand(back, front) {
            pen.glyph(GLYPHS[mask], front, back);
        } else {
            pen.glyph(GLYPHS[15 - mask], back, front);
        }
        wanted
    }

    fn will_do(color: Color, shown: [Rgb; 4], wanted: [Rgb; 4]) -> bool {
        shown.iter().zip(wanted).all(|(shown, wanted)| near_or_same(color, *shown, wanted))
    }
}

/// Pixels in two colours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Split {
    /// Index into [`GLYPHS`], odd.
    mask: usize,
    front: Rgb,
    back: Rgb,
}

#[cfg(test)]
impl Split {
    /// The pixels as they are seen.
    pub(crate) fn shown(&self) -> [Rgb; 4] {
        std::array::from_fn(|i| if self.mask >> i & 1 == 1 { self.front } else { self.back })
    }
}

/// The best of the eight splits: the upper left pixel is in front, as each split has a twin with the
/// colours swapped.
pub(crate) fn split(pixels: [Rgb; 4]) -> Split {
    let of = |mask: usize| (0..4).filter(move |bit| mask >> bit & 1 == 1).map(|bit| pixels[bit]);
    let best = (1..16).step_by(2).min_by_key(|mask| {
        let (front, back) = (mean(of(*mask)), mean(of(15 - mask)));
        let loss = |group: &mut dyn Iterator<Item = Rgb>, mean| -> u32 {
            group.map(|pixel| distance(pixel, mean)).sum()
        };
        loss(&mut of(*mask), front) + loss(&mut of(15 - mask), back)
    });
    let mask = best.unwrap_or(15);
    let front = mean(of(mask));
    let back = if mask == 15 { front } else { mean(of(15 - mask)) };
    Split { mask, front, back }
}

/// Black for no pixels.
fn mean(pixels: impl Iterator<Item = Rgb>) -> Rgb {
    let mut sum = [0u16; 3];
    let mut count = 0;
    for pixel in pixels {
        sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u16::from(value));
        count += 1;
    }
    sum.map(|sum| ((sum + count / 2) / count.max(1)) as u8)
}

fn distance(a: Rgb, b: Rgb) -> u32 {
    (0..3).map(|i| u32::from(a[i].abs_diff(b[i])).pow(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const B: Rgb = [0, 0, 0];
    const W: Rgb = [200, 200, 200];

    fn drawn(pixels: [Rgb; 4]) -> String {
        let mut out = Vec::new();
        let mut pen = Pen::new(Color::True, &mut out);
        Quadrant::draw(&mut pen, pixels);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn two_colours_are_shown_as_they_are() {
        // Names from the Unicode code chart of block elements (U2580).
        let cases = [
            ([B, W, W, W], '\u{2598}'), // upper left, and the rest is behind it
            ([W, B, W, W], '\u{2599}'), // upper left and lower left and lower right
            ([W, B, B, W], '\u{259a}'), // upper left and lower right
            ([W, W, W, B], '\u{259b}'), // upper left and upper right and lower left
            ([W, W, B, W], '\u{259c}'), // upper left and upper right and lower right
            ([W, W, B, B], '\u{2580}'), // upper half
            ([W, B, W, B], '\u{258c}'), // left half
        ];
        for (pixels, glyph) in cases {
            let [front, back] =
                if pixels[0] == W { ["200;200;200", "0;0;0"] } else { ["0;0;0", "200;200;200"] };
            assert_eq!(drawn(pixels), format!("\x1b[38;2;{front};48;2;{back}m{glyph}"));
        }
    }

    #[test]
    fn colours_at_hand_are_used_the_other_way_round() {
        let twins = [
            ([W, B, B, B], '\u{259f}'), // all but the upper left
            ([B, W, B, B], '\u{259d}'), // upper right
            ([B, B, W, B], '\u{2596}'), // lower left
            ([B, B, B, W], '\u{2597}'), // lower right
            ([B, W, W, B], '\u{259e}'), // upper right and lower left
            ([B, W, B, W], '\u{2590}'), // right half
            ([B, B, W, W], '\u{2584}'), // lower half
        ];
        for (pixels, glyph) in twins {
            let mut out = Vec::new();
            let mut pen = Pen::new(Color::True, &mut out);
            // Leaves the colour of the upper left in the background.
            pen.glyph("x", if pixels[0] == W { B } else { W }, pixels[0]);
            Quadrant::draw(&mut pen, pixels);
            assert!(out.ends_with(format!("mx{glyph}").as_bytes()), "{glyph}");
        }
    }

    #[test]
    fn of_more_colours_the_nearest_are_one() {
        // 10 and 20 are 10 apart, 90 and 110 are 20: those are the groups, in their means 15 and
        // 100, and the loss is 3 * (5^2 + 5^2 + 10^2 + 10^2) = 750; the next best, 20 alone with
        // the others or 10 alone, loses more than 3 * 3000.
        let pixels = [10, 90, 20, 110].map(|grey| [grey; 3]);
        assert_eq!(split(pixels), Split { mask: 0b0101, front: [15; 3], back: [100; 3] });
        // One colour: no second group.
        assert_eq!(split([W; 4]), Split { mask: 1, front: W, back: W });
    }
}
