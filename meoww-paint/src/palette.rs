//! The 256 colours of xterm (`256colres.pl` of its source): after the 16 that users choose, a cube of
//! 6x6x6 and 24 greys.

use crate::{
    layout::Planes,
    motion::{digits, number},
    split::{self, Color},
};

/// Red, green, blue.
pub(crate) type Rgb = [u8; 3];

/// The first 16 as xterm has them, until the user chooses others (`XTerm-col.ad` of its source).
const SYSTEM: [Rgb; 16] = [
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
];
const CUBE_START: u8 = 16;
const GREY_START: u8 = 232;
const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// For a channel's value, the nearest of [`LEVELS`].
const NEAREST_LEVEL: [u8; 256] = {
    let mut table = [0; 256];
    let mut value = 0;
    while value < 256 {
        let mut level = 1;
        while level < 6 {
            let nearest = LEVELS[table[value] as usize];
            if LEVELS[level].abs_diff(value as u8) < nearest.abs_diff(value as u8) {
                table[value] = level as u8;
            }
            level += 1;
        }
        value += 1;
    }
    table
};

const fn grey(index: u8) -> u8 {
    8 + 10 * index
}

/// The nearest colour by Euclidean distance. In the cube each channel is nearest on its own, and on
/// the grey line it is the one nearest to the mean, so two candidates are enough.
pub(crate) fn nearest(rgb: Rgb) -> u8 {
    let level = rgb.map(|value| NEAREST_LEVEL[value as usize]);
    let mean = rgb.iter().map(|&v| u16::from(v)).sum::<u16>() / 3;
    let shade = ((mean.saturating_sub(3)) / 10).min(23) as u8;
    if distance(rgb, [grey(shade); 3]) < distance(rgb, level.map(|l| LEVELS[l as usize])) {
        GREY_START + shade
    } else {
        CUBE_START + 36 * level[0] + 6 * level[1] + level[2]
    }
}

fn distance(a: Rgb, b: Rgb) -> u32 {
    (0..3).map(|i| u32::from(a[i].abs_diff(b[i])).pow(2)).sum()
}

/// What a colour looks like.
pub(crate) fn color(index: u8) -> Rgb {
    match index {
        ..CUBE_START => SYSTEM[usize::from(index)],
        GREY_START.. => [grey(index - GREY_START); 3],
        _ => {
            let cube = usize::from(index - CUBE_START);
            [LEVELS[cube / 36], LEVELS[cube / 6 % 6], LEVELS[cube % 6]]
        }
    }
}

/// The colours of a terminal that has few.
pub(crate) struct Palette {
    kind: Kind,
    colors: Vec<Color>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The 240 that look alike on all terminals.
    Ansi256,
    /// The first 16.
    Ansi16,
    /// The terminal's own two, of which only the brightness is known.
    Mono,
}

impl Palette {
    pub(crate) fn ansi256() -> Self {
        let colors = (0..=255).map(|index| color(index).map(f32::from)).collect();
        Self { kind: Kind::Ansi256, colors }
    }

    pub(crate) fn ansi16() -> Self {
        Self { kind: Kind::Ansi16, colors: SYSTEM.map(|rgb| rgb.map(f32::from)).to_vec() }
    }

    /// Colour 0 is the background, which is light or dark, and 1 the text.
    pub(crate) fn mono(is_light: bool) -> Self {
        let (back, front) = if is_light { (255.0, 0.0) } else { (0.0, 255.0) };
        Self { kind: Kind::Mono, colors: vec![[back, 0.0, 0.0], [front, 0.0, 0.0]] }
    }

    /// Text and background, where these are all there is.
    pub(crate) fn fixed(&self) -> Option<(u8, u8)> {
        self.is_fixed().then_some((1, 0))
    }

    pub(crate) fn is_fixed(&self) -> bool {
        self.kind == Kind::Mono
    }

    pub(crate) fn colors(&self) -> &[Color] {
        &self.colors
    }

    /// Sets what each pixel should be, in the terms of the palette. Channels that it has not are
    /// left as they are.
    #[inline(always)]
    pub(crate) fn want<const C: usize>(&self, picture: &Planes, wanted: &mut [[f32; C]]) {
        if self.is_fixed() && C == 1 {
            brightness(picture, wanted.as_flattened_mut());
            return;
        }
        let [red, green, blue] = picture;
        for (wanted, ((red, green), blue)) in wanted.iter_mut().zip(red.iter().zip(green).zip(blue))
        {
            wanted
                .iter_mut()
                .zip([red, green, blue])
                .for_each(|(wanted, color)| *wanted = f32::from(*color));
        }
    }

    /// How far from what is wanted a pixel may go to make up for its neighbours: about half the way
    /// from one colour to the next. Further, it would flicker.
    pub(crate) fn reach(&self) -> f32 {
        match self.kind {
            Kind::Ansi256 => 24.0,
            Kind::Ansi16 => 64.0,
            Kind::Mono => f32::INFINITY,
        }
    }

    /// The nearest colour.
    pub(crate) fn nearest(&self, wanted: Color) -> u8 {
        match self.kind {
            Kind::Ansi256 => nearest(wanted.map(|value| value.clamp(0.0, 255.0) as u8)),
            Kind::Ansi16 | Kind::Mono => {
                let distances = self.colors.iter().map(|color| split::distance(*color, wanted));
                let nearest = distances.enumerate().min_by(|(_, a), (_, b)| a.total_cmp(b));
                nearest.map_or(0, |(index, _)| index as u8)
            }
        }
    }

    /// How many bytes select a colour.
    pub(crate) fn length(&self, index: u8) -> usize {
        match self.kind {
            Kind::Ansi256 => 5 + digits(index.into()) as usize,
            Kind::Ansi16 => 2 + usize::from(index >= 8),
            Kind::Mono => 0,
        }
    }

    /// Appends what selects a colour, as a parameter of SGR.
    pub(crate) fn push(&self, index: u8, is_back: bool, out: &mut Vec<u8>) {
        match self.kind {
            Kind::Ansi256 => {
                out.extend_from_slice(if is_back { b"48;5;" } else { b"38;5;" });
                number(index, out);
            }
            // 30 to 37 and 90 to 97 for text, and ten more for the background.
            Kind::Ansi16 => {
                let first = if index < 8 { 30 } else { 90 - 8 };
                number(first + index + if is_back { 10 } else { 0 }, out);
            }
            Kind::Mono => {}
        }
    }
}

/// Luma of BT.601.
pub(crate) fn luma([r, g, b]: Color) -> f32 {
    0.299 * r + 0.587 * g + 0.114 * b
}

/// Sets how bright each pixel of a picture is, with colours or without.
#[inline(always)]
pub(crate) fn brightness([red, green, blue]: &Planes, bright: &mut [f32]) {
    if green.is_empty() {
        bright.iter_mut().zip(red).for_each(|(bright, value)| *bright = f32::from(*value));
        return;
    }
    for (bright, ((red, green), blue)) in bright.iter_mut().zip(red.iter().zip(green).zip(blue)) {
        *bright = luma([*red, *green, *blue].map(f32::from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_colour_of_the_palette_is_nearer(rgb: Rgb) {
            let best = (CUBE_START..=255).map(|i| distance(rgb, color(i))).min();
            prop_assert_eq!(Some(distance(rgb, color(nearest(rgb)))), best);
        }
    }

    #[test]
    fn the_palette_is_its_own_nearest() {
        for index in CUBE_START..=255 {
            assert_eq!(color(nearest(color(index))), color(index));
        }
    }
}
