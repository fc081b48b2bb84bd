//! A cat before the camera: a photograph that breathes, blinks and looks about.
//!
//! The photograph is Chelsea, by Stéfan van der Walt (CC0). Each picture is a map from its pixels to
//! places of the photograph: the head turns before the wall, the chest rises, and eyelids are the
//! fur above the eyes, drawn down over them.

mod mood;
mod voice;

use std::{sync::LazyLock, time::Duration};

use meoww_paint::Frame;

use self::mood::Mood;
pub use self::voice::voice;

const WIDTH: usize = 320;
const HEIGHT: usize = 240;
/// Photograph pixels a picture pixel: a little of the photograph is left around for movement.
const ZOOM: f32 = 1.17;
/// Centre of the visible part of the photograph.
const CENTRE: (f32, f32) = (226.0, 150.0);
/// Point between the eyes. Pixels follow the head less with their distance from it.
const FACE: (f32, f32) = (245.0, 150.0);
const FACE_RADIUS: f32 = 150.0;
/// How much fur above an eye is drawn out into its lid.
const LID: f32 = 36.0;
const EYE_HEIGHT: f32 = 60.0;

/// The outlines of the eyes in the photograph, from corner to corner: x, and y of the upper and the
/// lower lid.
const EYES: [&[[f32; 3]]; 2] = [
    &[
        [135.0, 108.0, 108.0],
        [140.0, 93.0, 120.0],
        [146.0, 88.0, 128.0],
        [156.0, 85.0, 137.0],
        [170.0, 84.0, 144.0],
        [180.0, 86.0, 145.0],
        [190.0, 91.0, 143.0],
        [200.0, 101.0, 139.0],
        [206.0, 113.0, 134.0],
        [210.0, 128.0, 128.0],
    ],
    &[
        [294.0, 142.0, 142.0],
        [297.0, 128.0, 154.0],
        [304.0, 119.0, 160.0],
        [312.0, 113.0, 162.0],
        [320.0, 110.0, 161.0],
        [330.0, 109.0, 157.0],
        [337.0, 110.0, 149.0],
        [341.0, 116.0, 138.0],
        [343.0, 126.0, 126.0],
    ],
];

struct Cat {
    photograph: Frame,
    /// How much each pixel of a picture follows the head, 0 to 1.
    follows: Vec<f32>,
    /// For each column of the photograph, where the lids of an eye in it are.
    openings: Vec<Option<Opening>>,
}

/// Where the upper and the lower lid of an open eye are, in one column.
#[derive(Debug, Clone, Copy)]
struct Opening {
    top: f32,
    bottom: f32,
}

static CAT: LazyLock<Cat> = LazyLock::new(Cat::new);

/// The cat so long after it sat down.
pub fn picture(at: Duration) -> Frame {
    CAT.draw(&Mood::at(at.as_secs_f32()))
}

impl Cat {
    fn new() -> Self {
        let jpeg = include_bytes!("cat/chelsea.jpg");
        let photograph = image::load_from_memory_with_format(jpeg, image::ImageFormat::Jpeg)
            .expect("the photograph is part of the program")
            .into_rgb8();
        let (width, height) = (photograph.width() as usize, photograph.height() as usize);
        let photograph = Frame::from_rgb(width, height, &photograph, width * 3)
            .expect("the photograph has even sides");
        let follows = (0..WIDTH * HEIGHT)
            .map(|at| {
                let (x, y) = place(at % WIDTH, at / WIDTH);
                let distance = (x - FACE.0).hypot(y - FACE.1) / FACE_RADIUS;
                (-distance * distance).exp()
            })
            .collect();
        let openings = (0..width).map(|x| opening(x as f32)).collect();
        Self { photograph, follows, openings }
    }

    fn draw(&self, mood: &Mood) -> Frame {
        let mut frame = Frame::black(WIDTH, HEIGHT);
        let [luma, u, v] = frame.planes_mut();
        let [from_luma, from_u, from_v] = self.photograph.planes();
        let (width, height) = (self.photograph.width(), self.photograph.height());
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let at = y * WIDTH + x;
                let (from_x, from_y) = mood.head(place(x, y), self.follows[at]);
                let from_x = from_x.clamp(0.0, (width - 2) as f32);
                let (from_x, from_y) = match self.openings[from_x as usize] {
                    Some(eye) => mood.eye(eye, (from_x, from_y)),
                    None => (from_x, from_y),
                };
                let from_y = from_y.clamp(0.0, (height - 2) as f32);
                luma[at] = between(from_luma, width, from_x, from_y);
                if x % 2 == 0 && y % 2 == 0 {
                    let from = from_y as usize / 2 * (width / 2) + from_x as usize / 2;
                    let to = y / 2 * (WIDTH / 2) + x / 2;
                    (u[to], v[to]) = (from_u[from], from_v[from]);
                }
            }
        }
        frame
    }
}

/// Where in the photograph a pixel of a picture is, when the cat sits still.
fn place(x: usize, y: usize) -> (f32, f32) {
    (
        CENTRE.0 + (x as f32 - WIDTH as f32 / 2.0) * ZOOM,
        CENTRE.1 + (y as f32 - HEIGHT as f32 / 2.0) * ZOOM,
    )
}

/// The brightness between four pixels (bilinear), 8 bits after the point.
fn between(plane: &[u8], width: usize, x: f32, y: f32) -> u8 {
    let (x, y) = ((x * 256.0) as usize, (y * 256.0) as usize);
    let (right, down) = (x & 255, y & 255);
    let at = (y >> 8) * width + (x >> 8);
    let row =
        |at: usize| usize::from(plane[at]) * (256 - right) + usize::from(plane[at + 1]) * right;
    ((row(at) * (256 - down) + row(at + width) * down) >> 16) as u8
}

/// Where the lids are in a column of the photograph, if it has an eye.
fn opening(x: f32) -> Option<Opening> {
    let corners = EYES.into_iter().flat_map(<[_]>::array_windows);
    let [left, right] = corners.into_iter().find(|[left, right]| left[0] <= x && x < right[0])?;
    let part = (x - left[0]) / (right[0] - left[0]);
    let between = |side: usize| left[side] + (right[side] - left[side]) * part;
    Some(Opening { top: between(1), bottom: between(2) })
}

impl Mood {
    /// Which place of the photograph is seen at `place`, which follows the head by `follows`.
    fn head(&self, (x, y): (f32, f32), follows: f32) -> (f32, f32) {
        // The chest is in the lower part; breathing moves lower pixels more.
        let breath = self.breath * ((y - 120.0) / 180.0).max(0.0);
        (x - self.turn * follows, y - self.nod * follows + breath)
    }

    /// Which place is seen at `place` in a column with an eye.
    fn eye(&self, eye: Opening, (x, y): (f32, f32)) -> (f32, f32) {
        let height = eye.bottom - eye.top;
        let lid = eye.top + height * self.lids;
        let start = eye.top - LID;
        if y < start || y > eye.bottom {
            return (x, y);
        }
        if y < lid {
            // The fur above the eye, drawn out to where the lid ends.
            return (x, start + (y - start) * LID / (lid - start));
        }
        // The ball turns: most in the middle, not at all where the lids hold it.
        let inside = (4.0 * (y - eye.top) * (eye.bottom - y) / (height * EYE_HEIGHT)).min(1.0);
        (x - self.gaze.0 * inside, (y - self.gaze.1 * inside).max(eye.top))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f32) -> Frame {
        picture(Duration::from_secs_f32(seconds))
    }

    /// Mean difference of brightness in a part of the picture.
    fn moved(a: &Frame, b: &Frame, rows: std::ops::Range<usize>) -> f64 {
        let part = rows.start * WIDTH..rows.end * WIDTH;
        let (a, b) = (&a.planes()[0][part.clone()], &b.planes()[0][part]);
        a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
    }

    #[test]
    fn it_breathes_and_never_stands_still() {
        let mut last = seconds(0.0);
        for at in 1..60 {
            let next = seconds(at as f32 / 3.0);
            assert!(moved(&last, &next, 200..HEIGHT) > 0.05, "the chest at {at} thirds");
            last = next;
        }
    }

    #[test]
    fn a_blink_hides_the_eyes_and_gives_them_back() {
        // Where the left pupil is, black; lids are fur.
        let dark = |frame: &Frame| {
            let rows = (78..98).map(|y| &frame.planes()[0][y * WIDTH + 103..y * WIDTH + 123]);
            rows.flatten().filter(|luma| **luma < 50).count()
        };
        let (open, closed, again) = (seconds(2.1), seconds(2.31), seconds(2.6));
        assert!(dark(&open) > 3 * dark(&closed), "{} and {}", dark(&open), dark(&closed));
        assert!(dark(&again) > 3 * dark(&closed), "{} and {}", dark(&again), dark(&closed));
    }
}
