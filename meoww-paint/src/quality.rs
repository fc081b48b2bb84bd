//! How much is spent on a picture.

use std::{fmt, str::FromStr};

/// [`Quality::step`] at the usual quality, and the largest there is.
const USUAL_STEP: f32 = 7.0;
const LARGEST_STEP: f32 = 48.0;

/// How exact a picture is drawn: from 0, which costs least, to 100, or as exact as the cells can.
///
/// It is the price of a byte. A change is drawn where the error it takes off the screen is worth the
/// bytes it costs, so a picture in motion has fewer details at a low quality, and one at rest is
/// completed in any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quality(u8);

impl Quality {
    /// Every byte is worth its place.
    pub const MAX: Self = Self(u8::MAX);
    /// What is drawn where nothing else is asked for.
    pub const USUAL: Self = Self(75);
    /// The highest number.
    const HIGHEST: u8 = 100;

    /// `None` above 100.
    pub const fn new(quality: u8) -> Option<Self> {
        if quality <= Self::HIGHEST { Some(Self(quality)) } else { None }
    }

    /// The number, unless it is [`Quality::MAX`].
    pub fn number(self) -> Option<u8> {
        (self != Self::MAX).then_some(self.0)
    }

    /// The squared error, of the two pixels of a half block in all channels, that a byte has to take
    /// away. It doubles every eight steps down.
    pub(crate) fn price(self) -> f32 {
        if self == Self::MAX {
            // Less than a single step of a single channel, in as many bytes as a cell can take.
            return 0.01;
        }
        10.0 * ((f32::from(Self::USUAL.0) - f32::from(self.0)) / 8.0).exp2()
    }

    /// How far the values of a channel are apart, of pictures that are sent as pixels: 1 is exact.
    /// It doubles every 16 steps down, as the squared error does every eight.
    pub(crate) fn step(self) -> u8 {
        if self == Self::MAX {
            return 1;
        }
        let step = USUAL_STEP * ((f32::from(Self::USUAL.0) - f32::from(self.0)) / 16.0).exp2();
        step.round().clamp(1.0, LARGEST_STEP) as u8
    }
}

impl Default for Quality {
    fn default() -> Self {
        Self::USUAL
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::MAX { f.write_str("max") } else { self.0.fmt(f) }
    }
}

impl FromStr for Quality {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = || text.parse().ok().and_then(Self::new);
        let quality = if text == "max" { Some(Self::MAX) } else { number() };
        quality.ok_or_else(|| "a number from 0 to 100, or max".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        for text in ["0", "75", "100", "max"] {
            assert_eq!(
                text.parse::<Quality>().map(|quality| quality.to_string()).as_deref(),
                Ok(text)
            );
        }
        for text in ["", "101", "255", "-1", "best", "7.5"] {
            assert!(text.parse::<Quality>().is_err(), "{text}");
        }
    }

    #[test]
    fn more_quality_makes_bytes_cheaper() {
        let prices = (0..=100).filter_map(Quality::new).chain([Quality::MAX]).map(Quality::price);
        let prices: Vec<f32> = prices.collect();
        assert!(prices.is_sorted_by(|a, b| a > b), "{prices:?}");
    }
}
