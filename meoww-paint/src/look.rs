//! Brightness, contrast and colours of a picture before it is drawn.

use std::{fmt, str::FromStr};

use crate::{
    area::{Rect, Size},
    charset::Charset,
    colorimetry::{Colorimetry, Range},
    frame::Frame,
    painter::Painter,
    quality::Quality,
    scale::Grid,
};

/// How a picture differs from what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// How much brighter: at 100, black is white.
    pub brightness: Percent,
    /// How much more contrast: at 100 it is doubled, at -100 everything is of one grey.
    pub contrast: Percent,
    /// The colours it has.
    pub filter: Filter,
    /// Whether left and right are swapped, as in a mirror.
    pub is_mirrored: bool,
    /// Letters to draw with, where it is drawn with letters.
    pub letters: Charset,
}

/// From -100 to 100.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Percent(i8);

impl Percent {
    /// `None` beyond 100.
    pub const fn new(percent: i8) -> Option<Self> {
        if percent.unsigned_abs() <= 100 { Some(Self(percent)) } else { None }
    }

    fn part(self) -> f32 {
        f32::from(self.0) / 100.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let percent = text.parse().ok().and_then(Self::new);
        percent.ok_or_else(|| "a number from -100 to 100".to_owned())
    }
}

/// The colours of a picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Filter {
    /// Its own.
    #[default]
    None,
    /// Greys.
    Grey,
    /// Browns, of an old photograph.
    Sepia,
    /// Greens, of an old terminal.
    Green,
    /// Ambers, of another.
    Amber,
    /// The opposite of each.
    Negative,
}

impl Filter {
    /// Every one, in the order they are offered.
    pub const ALL: [Self; 6] =
        [Self::None, Self::Grey, Self::Sepia, Self::Green, Self::Amber, Self::Negative];

    /// The name that users choose it by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Grey => "grey",
            Self::Sepia => "sepia",
            Self::Green => "green",
            Self::Amber => "amber",
            Self::Negative => "negative",
        }
    }

    /// The colour that white becomes, where all colours become shades of one.
    fn white(self) -> Option<[f32; 3]> {
        match self {
            Self::None | Self::Negative => None,
            Self::Grey => Some([255.0, 255.0, 255.0]),
            Self::Sepia => Some([255.0, 230.0, 190.0]),
            Self::Green => Some([60.0, 255.0, 90.0]),
            Self::Amber => Some([255.0, 180.0, 0.0]),
        }
    }
}

impl Default for Look {
    fn default() -> Self {
        Self::PLAIN
    }
}

impl Look {
    /// As it was sent.
    pub const PLAIN: Self = Self {
        brightness: Percent(0),
        contrast: Percent(0),
        filter: Filter::None,
        is_mirrored: false,
        letters: Charset::ALL,
    };

    /// Returns `painter`, made to draw pictures so.
    pub(crate) fn on(self, painter: Box<dyn Painter>) -> Box<dyn Painter> {
        let plain = Self { letters: self.letters, ..Self::PLAIN };
        if self == plain { painter } else { Box::new(Retouched { painter, look: self }) }
    }

    /// Returns the picture as it is to look.
    pub(crate) fn apply(self, frame: &Frame) -> Frame {
        let mut frame = frame.clone();
        let (brightness, gain) = (self.brightness.part(), 1.0 + self.contrast.part());
        let is_negative = self.filter == Filter::Negative;
        let (black, scale) = match frame.colorimetry().range {
            Range::Limited => (16.0, 219.0),
            Range::Full => (0.0, 255.0),
        };
        // From 0 to 1, around the middle.
        let luma = table(|value| {
            let luma = (value - black) / scale;
            let luma = if is_negative { 1.0 - luma } else { luma };
            let luma = (luma - 0.5) * gain + 0.5 + brightness;
            luma.clamp(0.0, 1.0) * scale + black
        });
        let sign = if is_negative { -gain } else { gain };
        let chroma = table(|value| (value - 128.0) * sign + 128.0);
        let tables = [&luma, &chroma, &chroma];
        for (plane, table) in frame.planes_mut().into_iter().zip(tables) {
            plane.iter_mut().for_each(|value| *value = table[usize::from(*value)]);
        }
        if self.is_mirrored {
            let width = frame.width();
            for (plane, width) in frame.planes_mut().into_iter().zip([width, width / 2, width / 2])
            {
                plane.chunks_exact_mut(width).for_each(<[u8]>::reverse);
            }
        }
        match self.filter.white() {
            Some(white) => shades(frame, white),
            None => frame,
        }
    }
}

/// Returns the picture in shades of a colour: `white` where it is white, black where it is black.
fn shades(mut frame: Frame, [red, green, blue]: [f32; 3]) -> Frame {
    let (black, scale) = match frame.colorimetry().range {
        Range::Limited => (16.0, 219.0),
        Range::Full => (0.0, 255.0),
    };
    // Y, Cb and Cr of ITU-R BT.601, in limited range.
    let brightness = 0.299 * red + 0.587 * green + 0.114 * blue;
    let blueness = (blue - brightness) / 1.772;
    let redness = (red - brightness) / 1.402;
    let part = |value: f32| ((value - black) / scale).clamp(0.0, 1.0);
    let luma = table(|value| 16.0 + part(value) * brightness * 219.0 / 255.0);
    let chroma =
        [blueness, redness].map(|whole| table(|value| 128.0 + part(value) * whole * 224.0 / 255.0));
    let width = frame.width();
    let [y, u, v] = frame.planes_mut();
    for (at, (u, v)) in u.iter_mut().zip(v).enumerate() {
        let (row, column) = (at / (width / 2) * 2, at % (width / 2) * 2);
        let pair = |row: usize| {
            let first = row * width + column;
            u16::from(y[first]) + u16::from(y[first + 1])
        };
        let mean = usize::from((pair(row) + pair(row + 1) + 2) / 4);
        (*u, *v) = (chroma[0][mean], chroma[1][mean]);
    }
    y.iter_mut().for_each(|value| *value = luma[usize::from(*value)]);
    frame.with_colorimetry(Colorimetry::default())
}

/// Returns the value that each value of a sample becomes.
fn table(map: impl Fn(f32) -> f32) -> [u8; 256] {
    std::array::from_fn(|value| map(value as f32).round() as u8)
}

/// Draws pictures that look otherwise.
struct Retouched {
    painter: Box<dyn Painter>,
    look: Look,
}

impl Painter for Retouched {
    fn grid(&self, cells: Size) -> Grid {
        self.painter.grid(cells)
    }

    fn set_quality(&mut self, quality: Quality) {
        self.painter.set_quality(quality);
    }

    fn draw(&mut self, frame: &Frame, area: Rect, covered: &[Rect], out: &mut Vec<u8>) {
        self.painter.draw(&self.look.apply(frame), area, covered, out);
    }

    fn is_settled(&self) -> bool {
        self.painter.is_settled()
    }

    fn erase(&mut self, out: &mut Vec<u8>) {
        self.painter.erase(out);
    }

    fn invalidate(&mut self) {
        self.painter.invalidate();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colorimetry::Matrix;

    const FULL: Colorimetry = Colorimetry { matrix: Matrix::Bt601, range: Range::Full };

    fn seen(look: Look, [y, u, v]: [u8; 3], range: Range) -> [u8; 3] {
        let data = [[y; 4].as_slice(), &[u, v]].concat();
        let frame = Frame::from_i420(2, 2, data).unwrap();
        let colorimetry = Colorimetry { range, ..Colorimetry::default() };
        let looks = look.apply(&frame.with_colorimetry(colorimetry));
        looks.planes().map(|plane| plane[0])
    }

    fn percent(value: i8) -> Percent {
        Percent::new(value).unwrap()
    }

    #[test]
    fn brightness_and_contrast_are_parts_of_the_scale() {
        let bright = Look { brightness: percent(50), ..Look::PLAIN };
        // Half of 219 more.
        assert_eq!(seen(bright, [16, 100, 150], Range::Limited), [126, 100, 150]);
        assert_eq!(seen(bright, [200, 128, 128], Range::Limited), [235, 128, 128]);
        assert_eq!(seen(bright, [10, 128, 128], Range::Full), [138, 128, 128]);
        let strong = Look { contrast: percent(100), ..Look::PLAIN };
        // Twice as far from the middle, 125.5 of 16 to 235, and from 128.
        assert_eq!(seen(strong, [150, 138, 118], Range::Limited), [175, 148, 108]);
        let flat = Look { contrast: percent(-100), ..Look::PLAIN };
        assert_eq!(seen(flat, [16, 0, 255], Range::Limited), [126, 128, 128]);
    }

    #[test]
    fn a_negative_of_a_negative_is_the_picture() {
        let look = Look { filter: Filter::Negative, ..Look::PLAIN };
        assert_eq!(seen(look, [16, 90, 240], Range::Limited), [235, 166, 16]);
        for value in 16..=235 {
            let once = seen(look, [value, 100, 150], Range::Limited);
            assert_eq!(seen(look, once, Range::Limited), [value, 100, 150]);
        }
    }

    /// The colours that white becomes, in the Y, Cb and Cr of ITU-R BT.601 by hand: amber (255, 180,
    /// 0) has 0.299 * 255 + 0.587 * 180 = 181.9.
    #[test]
    fn shades_go_from_black_to_the_colour() {
        let amber = Look { filter: Filter::Amber, ..Look::PLAIN };
        for (range, black, white) in [(Range::Limited, 16, 235), (Range::Full, 0, 255)] {
            assert_eq!(seen(amber, [black, 40, 90], range), [16, 128, 128]);
            assert_eq!(seen(amber, [white, 40, 90], range), [172, 38, 174]);
        }
        let grey = Look { filter: Filter::Grey, ..Look::PLAIN };
        assert_eq!(seen(grey, [77, 1, 200], Range::Limited), [77, 128, 128]);
    }

    #[test]
    fn a_mirror_swaps_left_and_right() {
        let frame = Frame::from_i420(4, 2, vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]).unwrap();
        let mirrored = Look { is_mirrored: true, ..Look::PLAIN };
        let seen = mirrored.apply(&frame.with_colorimetry(FULL));
        assert_eq!(seen.planes(), [&[4, 3, 2, 1, 8, 7, 6, 5][..], &[10, 9], &[12, 11]]);
    }

    #[test]
    fn percents_are_read_as_they_are_written() {
        for text in ["-100", "0", "7", "100"] {
            assert_eq!(text.parse::<Percent>().map(|n| n.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "101", "-101", "-128", "1.5", "bright"] {
            assert!(text.parse::<Percent>().is_err(), "{text}");
        }
    }
}
