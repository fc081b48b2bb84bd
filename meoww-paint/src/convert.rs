//! RGB and packed YUV to planar YUV 4:2:0, in the matrix and range of BT.601 (limited), with 16 bits
//! after the point.

use crate::{frame::Frame, palette::Rgb};

impl Frame {
    /// Converts rows of RGB that are `stride` bytes apart; `None` when a size is odd or zero, or
    /// `rgb` is too short.
    pub fn from_rgb(width: usize, height: usize, rgb: &[u8], stride: usize) -> Option<Self> {
        let mut frame = Self::blank(width, height)?;
        let rows = rows(rgb, stride, width.checked_mul(3)?, height)?;
        let [luma, u, v] = frame.planes_mut();
        for (y, pair) in rows.chunks_exact(2).enumerate() {
            let pair = [pair[0].as_chunks::<3>().0, pair[1].as_chunks::<3>().0];
            for (row, pixels) in pair.iter().enumerate() {
                let luma = &mut luma[(2 * y + row) * width..][..width];
                luma.iter_mut().zip(*pixels).for_each(|(luma, rgb)| *luma = brightness(*rgb));
            }
            let squares = pair[0].as_chunks::<2>().0.iter().zip(pair[1].as_chunks::<2>().0);
            for (x, (upper, lower)) in squares.enumerate() {
                let sum = std::array::from_fn(|channel| {
                    [upper[0], upper[1], lower[0], lower[1]]
                        .map(|p| i32::from(p[channel]))
                        .iter()
                        .sum()
                });
                let at = y * width / 2 + x;
                [u[at], v[at]] = hue(sum);
            }
        }
        Some(frame)
    }

    /// Converts rows of Y, U, Y, V (two pixels in four bytes) that are `stride` bytes apart; `None`
    /// when a size is odd or zero, or `packed` is too short.
    pub fn from_yuyv(width: usize, height: usize, packed: &[u8], stride: usize) -> Option<Self> {
        let mut frame = Self::blank(width, height)?;
        let rows = rows(packed, stride, width.checked_mul(2)?, height)?;
        let [luma, u, v] = frame.planes_mut();
        for (y, pair) in rows.chunks_exact(2).enumerate() {
            for (row, packed) in pair.iter().enumerate() {
                let luma = &mut luma[(2 * y + row) * width..][..width];
                luma.iter_mut().zip(packed.iter().step_by(2)).for_each(|(to, from)| *to = *from);
            }
            let quads = pair[0].as_chunks::<4>().0.iter().zip(pair[1].as_chunks::<4>().0);
            for (x, (upper, lower)) in quads.enumerate() {
                let at = y * width / 2 + x;
                (u[at], v[at]) = (mean(upper[1], lower[1]), mean(upper[3], lower[3]));
            }
        }
        Some(frame)
    }

    fn blank(width: usize, height: usize) -> Option<Self> {
        let size = width.checked_mul(height)?.checked_mul(3)? / 2;
        let even = width.is_multiple_of(2) && height.is_multiple_of(2);
        (even && size > 0).then(|| Self::black(width, height))
    }
}

/// The first `length` bytes of each row.
fn rows(data: &[u8], stride: usize, length: usize, height: usize) -> Option<Vec<&[u8]>> {
    (0..height).map(|row| data.get(row.checked_mul(stride)?..)?.get(..length)).collect()
}

/// Rounds to the nearest, halves up.
fn mean(a: u8, b: u8) -> u8 {
    (u16::from(a) + u16::from(b)).div_ceil(2) as u8
}

fn brightness([r, g, b]: Rgb) -> u8 {
    let [r, g, b] = [r, g, b].map(i32::from);
    (((16_829 * r + 33_039 * g + 6_416 * b + (1 << 15)) >> 16) + 16) as u8
}

/// U and V of the sum of four pixels.
fn hue([r, g, b]: [i32; 3]) -> [u8; 2] {
    let u = -9_714 * r - 19_070 * g + 28_784 * b;
    let v = 28_784 * r - 24_103 * g - 4_681 * b;
    [u, v].map(|value| (((value + (1 << 17)) >> 18) + 128) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RGB and Y, Cb, Cr of the 100 % colour bars of BT.601, limited range.
    const BARS: [(Rgb, Rgb); 8] = [
        ([255, 255, 255], [235, 128, 128]),
        ([255, 255, 0], [210, 16, 146]),
        ([0, 255, 255], [170, 166, 16]),
        ([0, 255, 0], [145, 54, 34]),
        ([255, 0, 255], [106, 202, 222]),
        ([255, 0, 0], [81, 90, 240]),
        ([0, 0, 255], [41, 240, 110]),
        ([0, 0, 0], [16, 128, 128]),
    ];

    #[test]
    fn colour_bars_become_their_published_values() {
        for (rgb, yuv) in BARS {
            let frame = Frame::from_rgb(4, 2, &rgb.repeat(8), 12).unwrap();
            for (plane, expected) in frame.planes().into_iter().zip(yuv) {
                assert!(plane.iter().all(|value| *value == expected), "{rgb:?}: {plane:?}");
            }
        }
    }

    #[test]
    fn packed_pixels_find_their_place() {
        let upper = [1, 10, 2, 20, 3, 30, 4, 40, 0, 0];
        let lower = [5, 11, 6, 24, 7, 30, 8, 41];
        let frame = Frame::from_yuyv(4, 2, &[&upper[..], &lower].concat(), 10).unwrap();
        let [y, u, v] = frame.planes();
        assert_eq!(y, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!((u, v), (&[11, 30][..], &[22, 41][..]));
    }

    #[test]
    fn what_is_too_short_or_odd_is_refused() {
        assert_eq!(Frame::from_yuyv(4, 2, &[0; 15], 8), None);
        assert_eq!(Frame::from_rgb(4, 2, &[0; 23], 12), None);
        assert_eq!(Frame::from_rgb(3, 2, &[0; 18], 9), None);
        assert_eq!(Frame::from_rgb(0, 0, &[], 0), None);
        assert_eq!(Frame::from_yuyv(usize::MAX - 1, 2, &[0; 16], 8), None);
    }
}
