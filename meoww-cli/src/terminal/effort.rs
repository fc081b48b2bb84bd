//! How exact pictures are drawn on a terminal that draws them slowly.
//!
//! The frame rate follows by itself, as no picture is drawn before the last one is on its way. Where
//! there would be too few, the quality falls until each can be drawn in time, and rises again with
//! the means. Where the lowest quality is too much for a second, there are fewer colours, and cells in
//! the place of pixels.

use std::time::Duration;

use meoww_paint::{Color, Mode, Quality, Render};

/// How long the terminal may take to draw a picture: ten a second.
pub const PICTURE_WITHIN: Duration = Duration::from_millis(100);
/// Steps of quality for each doubling of the bytes.
const STEPS: f64 = 8.0;
/// Steps up for one picture, at most: what was spared by a picture at rest is spent slowly.
const MOST_UP: f64 = 2.0;
/// A picture may have this part of what the terminal draws in time, and less than the other part
/// shows that it can have more.
const FULL: f64 = 1.0;
const SPARE: f64 = 0.7;
/// So many pictures in a row that are too large at the lowest quality take away colours.
const PATIENCE: u32 = 10;
/// A picture that is larger by so much than the terminal draws in time is too large.
const TOO_LARGE: f64 = 2.0;
/// The highest number of a quality.
const HIGHEST: f64 = 100.0;

/// What is spent on pictures at the moment.
#[derive(Debug)]
pub struct Effort {
    asked: Quality,
    /// `None` as long as the terminal keeps up.
    level: Option<f64>,
    too_large: u32,
    has_fewer_colors: bool,
}

impl Effort {
    /// The quality asked for, until the terminal cannot keep up.
    pub fn new(asked: Quality) -> Self {
        Self { asked, level: None, too_large: 0, has_fewer_colors: false }
    }

    /// The quality of the next picture.
    pub fn quality(&self) -> Quality {
        match self.level {
            Some(level) => Quality::new(level as u8).map_or(self.asked, |q| q.min(self.asked)),
            None => self.asked,
        }
    }

    /// `mode`, with fewer colours and no pixels where the terminal is too slow for those.
    pub fn mode(&self, mode: Mode) -> Mode {
        if !self.has_fewer_colors {
            return mode;
        }
        let color = if mode.color == Color::True { Color::Ansi256 } else { mode.color };
        let render = if mode.render.has_pixels() { Render::HalfBlock } else { mode.render };
        Mode { render, color, ..mode }
    }

    /// A picture of so many bytes was drawn, of a terminal that draws so many [`PICTURE_WITHIN`];
    /// `None` where it keeps up. Returns whether [`Effort::mode`] is another one now.
    pub fn drawn(&mut self, bytes: usize, within: Option<usize>) -> bool {
        let Some(within) = within else {
            self.level = None;
            return false;
        };
        let ratio = bytes as f64 / within.max(1) as f64;
        let most = self.asked.number().map_or(HIGHEST, f64::from);
        let level = self.level.unwrap_or(most);
        let change = match ratio {
            FULL.. => -STEPS * ratio.log2(),
            SPARE..FULL => 0.0,
            _ => MOST_UP.min(STEPS * (SPARE / ratio.max(1e-3)).log2()),
        };
        let next = (level + change).clamp(0.0, most);
        self.level = (next < most || ratio > FULL).then_some(next);
        let is_too_large = level == 0.0 && ratio > TOO_LARGE;
        self.too_large = if is_too_large { self.too_large + 1 } else { 0 };
        let changes = self.too_large >= PATIENCE && !self.has_fewer_colors;
        self.has_fewer_colors |= changes;
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of a picture that takes 100 kB at the usual quality.
    fn bytes(effort: &Effort) -> usize {
        let level = f64::from(effort.quality().number().unwrap());
        (100e3 * ((level - 75.0) / STEPS).exp2()) as usize
    }

    #[test]
    fn the_quality_follows_the_terminal_within_a_second_and_comes_back() {
        let mut effort = Effort::new(Quality::USUAL);
        for _ in 0..8 {
            effort.drawn(bytes(&effort), Some(30_000));
        }
        let settled = bytes(&effort);
        assert!((18_000..=31_000).contains(&settled), "{settled}");
        assert!(!effort.drawn(settled, Some(30_000)));
        for _ in 0..30 {
            effort.drawn(bytes(&effort), Some(1_000_000));
        }
        assert_eq!(effort.quality(), Quality::USUAL);
        effort.drawn(200_000, Some(30_000));
        assert!(effort.quality() < Quality::USUAL);
        effort.drawn(200_000, None);
        assert_eq!(effort.quality(), Quality::USUAL, "it keeps up");
    }

    #[test]
    fn what_is_too_slow_for_any_quality_gets_fewer_colours() {
        let mode = |color| Mode::new(Render::HalfBlock, color);
        let mut effort = Effort::new(Quality::USUAL);
        let changed = (0..100).filter(|_| effort.drawn(50_000, Some(1_000))).count();
        assert_eq!(changed, 1);
        assert_eq!(effort.mode(mode(Color::True)), mode(Color::Ansi256));
        assert_eq!(effort.mode(mode(Color::Mono)), mode(Color::Mono));
        let pixels = Mode { render: Render::Kitty, ..mode(Color::True) };
        assert_eq!(effort.mode(pixels), mode(Color::Ansi256));
    }
}
