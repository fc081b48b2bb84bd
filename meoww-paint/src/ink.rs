//! The colours of strokes, once it is known which pixels each is for.

use crate::{
    layout::{Layout, Planes},
    motion::{digits, number},
    palette::{self, Rgb},
    search::Stroke,
    split::{Color, distance},
};

/// The first colour of the palette that is the same on all terminals: some themes put colours of
/// their own in front of it.
const FIRST: u8 = 22;

/// A colour as it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ink {
    pub(crate) rgb: Rgb,
    /// The palette's number for it, where that is to be sent.
    index: Option<u8>,
}

/// The pixels a colour is for.
#[derive(Clone, Copy, Default)]
struct Sum {
    color: Color,
    weight: f32,
}

/// Finds the colours; keeps its memory between pictures.
#[derive(Default)]
pub(crate) struct Mixer {
    sums: Vec<Sum>,
    inks: Vec<Ink>,
}

impl Mixer {
    /// Returns the colours in the order in which the strokes begin with them, front before back.
    pub(crate) fn mix(
        &mut self,
        strokes: &[Stroke],
        layout: Layout,
        wanted: &Planes,
        weights: &[f32],
        price: f32,
    ) -> &[Ink] {
        self.sums.clear();
        // Neither is used before it is set.
        let (mut front, mut back) = (0, 0);
        for stroke in strokes {
            if stroke.new_front {
                front = self.sums.len();
                self.sums.push(Sum::default());
            }
            if stroke.new_back {
                back = self.sums.len();
                self.sums.push(Sum::default());
            }
            let weight = weights[stroke.cell];
            for pixel in 0..layout.across * layout.down {
                let at = layout.at(stroke.place, pixel);
                let sum = &mut self.sums[if stroke.is_front(pixel) { front } else { back }];
                for (sum, plane) in sum.color.iter_mut().zip(wanted) {
                    *sum += f32::from(plane[at]) * weight;
                }
                sum.weight += weight;
            }
        }
        self.inks.clear();
        self.inks.extend(self.sums.iter().map(|sum| sum.ink(price)));
        &self.inks
    }
}

impl Sum {
    /// The mean, or a colour near to it where the bytes that saves are worth the error.
    fn ink(&self, price: f32) -> Ink {
        let mean = self.color.map(|sum| sum / self.weight);
        let rgb = mean.map(|value| shorter(value, self.weight, price));
        let exact = rgb.map(f32::from);
        let index = palette::nearest(mean.map(|value| (value + 0.5) as u8));
        let from_palette = palette::color(index);
        let error = distance(from_palette.map(f32::from), mean) - distance(exact, mean);
        // `2;R;G;B` or `5;N`.
        let length = rgb.iter().map(|value| digits(u32::from(*value)) + 1).sum::<u32>();
        let saved = length as f32 - (1 + digits(u32::from(index))) as f32;
        if index >= FIRST && self.weight * error < price * saved {
            Ink { rgb: from_palette, index: Some(index) }
        } else {
            Ink { rgb, index: None }
        }
    }
}

/// The nearest whole number, or one that is a digit shorter.
fn shorter(value: f32, weight: f32, price: f32) -> u8 {
    let nearest = (value + 0.5) as u8;
    let squared = |number: u8| (f32::from(number) - value).powi(2);
    for short in [9, 99] {
        if nearest > short && nearest - short < 5 {
            let error = squared(short) - squared(nearest);
            return if weight * error < price { short } else { nearest };
        }
    }
    nearest
}

impl Ink {
    /// Appends what selects the colour, without the layer: `8;2;R;G;B` or `8;5;N`.
    pub(crate) fn push(&self, out: &mut Vec<u8>) {
        if let Some(index) = self.index {
            out.extend_from_slice(b"8;5;");
            number(index, out);
        } else {
            out.extend_from_slice(b"8;2");
            for value in self.rgb {
                out.push(b';');
                number(value, out);
            }
        }
    }
}
