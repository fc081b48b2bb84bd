//! The scene that the peers film, and the screen they draw it on.

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use clap::ValueEnum;
use meoww_cli::picture::source::{
    Camera,
    pattern::{self, Stamp},
};
use meoww_paint::{Frame, Size};
use serde::Serialize;

/// A picture that says when it was made, on a screen that suits it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scene {
    /// A clean pattern, 320x240, on 160x45 cells: some 70 kbit/s
    #[default]
    Pattern,
    /// The same with the noise of a webcam, 640x480, on cells for all of it: some 2 Mbit/s
    Camera,
}

/// Size of the noisy picture.
const SIZE: (usize, usize) = (640, 480);
/// Between two pictures of it.
const INTERVAL: Duration = Duration::from_nanos(33_333_333);

impl Scene {
    /// As it is written on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pattern => "pattern",
            Self::Camera => "camera",
        }
    }

    pub(crate) fn camera(self) -> Camera {
        match self {
            Self::Pattern => Camera::Pattern(0),
            Self::Camera => Camera::Drawn(noisy),
        }
    }

    /// In cells, each of which shows two pixels.
    pub(crate) fn screen(self) -> Size {
        match self {
            Self::Pattern => Size { width: 160, height: 45 },
            Self::Camera => Size { width: 640, height: 240 },
        }
    }
}

/// The pattern, with noise below its stamp.
#[expect(clippy::disallowed_methods, reason = "test pictures carry the time they were made")]
fn noisy(at: Duration) -> Frame {
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let counter = ((at + INTERVAL / 2).as_nanos() / INTERVAL.as_nanos()) as u32;
    let sent = (wall.as_micros() / 100) as u32;
    let mut picture = pattern::draw(SIZE.0, SIZE.1, 0, Stamp { counter, sent });
    let [luma, _, _] = picture.planes_mut();
    let noise = noise();
    // Another part of the noise for each picture.
    let from = counter.wrapping_mul(7_919) as usize % (noise.len() - luma.len());
    let below_the_stamp = &mut luma[SIZE.0 * SIZE.1 * 2 / 5..];
    for (pixel, noise) in below_the_stamp.iter_mut().zip(&noise[from..]) {
        *pixel = pixel.saturating_add(*noise);
    }
    picture
}

/// Noise of eight levels, as much as two pictures.
fn noise() -> &'static [u8] {
    static NOISE: OnceLock<Vec<u8>> = OnceLock::new();
    NOISE.get_or_init(|| {
        let mut dice = 1_u32;
        let mut next = || {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (dice >> 29) as u8
        };
        std::iter::repeat_with(&mut next).take(2 * SIZE.0 * SIZE.1).collect()
    })
}
