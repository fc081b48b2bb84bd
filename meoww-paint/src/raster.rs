//! A frame brought to the pixels of a terminal, as RGB.

use crate::{
    colorimetry::Coefficients, coverage::PlaneScaler, frame::Frame, sample::rounded, simd::wide,
};

/// Red, green and blue, each row by row.
pub(crate) type Channels = [Vec<u8>; 3];

/// Scales and converts, in buffers it keeps.
#[derive(Default)]
pub(crate) struct Raster {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) channels: Channels,
    scalers: [PlaneScaler; 3],
    /// U and V at half the size, as cameras have them: the eye sees no more of them.
    chroma: [Vec<f32>; 2],
    /// The red, green and blue that the chroma of a row adds.
    hues: [Vec<f32>; 3],
}

impl Raster {
    /// Takes up a frame in `width` x `height` pixels, neither of which is zero.
    pub(crate) fn sample(&mut self, frame: &Frame, width: usize, height: usize) {
        (self.width, self.height) = (width, height);
        let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
        let [luma, u, v] = &mut self.scalers;
        let ([y_plane, planes @ ..], [y_size, sizes @ ..]) = (frame.planes(), frame.plane_sizes());
        let targets = self.chroma.iter_mut().zip([u, v]);
        for ((plane, size), (target, scaler)) in planes.into_iter().zip(sizes).zip(targets) {
            target.resize(half_width * half_height, 0.0);
            scaler.scale(plane, size, (half_width, half_height), |y, row| {
                target[y * half_width..][..half_width].copy_from_slice(row);
            });
        }
        self.channels.iter_mut().for_each(|channel| channel.resize(width * height, 0));
        self.hues.iter_mut().for_each(|hue| hue.resize(half_width * 2, 0.0));
        let to = frame.colorimetry().coefficients();
        luma.scale(y_plane, y_size, (width, height), |y, row| {
            if y % 2 == 0 {
                let chroma = self.chroma.each_ref();
                hue(chroma.map(|c| &c[y / 2 * half_width..][..half_width]), &to, &mut self.hues);
            }
            wide!({
                for (channel, hue) in self.channels.iter_mut().zip(&self.hues) {
                    add(row, hue, &to, &mut channel[y * width..][..width]);
                }
            });
        });
    }

    /// Red, green and blue of a pixel.
    #[cfg(test)]
    pub(crate) fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        self.channels.each_ref().map(|channel| channel[y * self.width + x])
    }

    /// Appends the rows from `top` on, with the three channels of a pixel side by side.
    pub(crate) fn interleave(&self, out: &mut Vec<u8>) {
        let [red, green, blue] = &self.channels;
        let start = out.len();
        out.resize(start + red.len() * 3, 0);
        let pixels = out[start..].as_chunks_mut::<3>().0.iter_mut();
        for (((pixel, red), green), blue) in pixels.zip(red).zip(green).zip(blue) {
            *pixel = [*red, *green, *blue];
        }
    }
}

/// Makes a row of luma one of a channel, by what its chroma adds.
#[inline(always)]
fn add(row: &[f32], hue: &[f32], to: &Coefficients, channel: &mut [u8]) {
    for ((to_value, luma), hue) in channel.iter_mut().zip(row).zip(hue) {
        let value = (luma - to.black) * to.luma + hue;
        *to_value = rounded(value);
    }
}

/// Each sample of a row of chroma counts for two pixels.
fn hue([u, v]: [&[f32]; 2], to: &Coefficients, [red, green, blue]: &mut [Vec<f32>; 3]) {
    let pairs = |hue: &mut Vec<f32>, weights: (f32, f32)| {
        for ((pair, u), v) in hue.as_chunks_mut::<2>().0.iter_mut().zip(u).zip(v) {
            *pair = [(u - 128.0) * weights.0 + (v - 128.0) * weights.1; 2];
        }
    };
    pairs(red, (0.0, to.red_v));
    pairs(green, (to.green_u, to.green_v));
    pairs(blue, (to.blue_u, 0.0));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The 75 % bars of BT.601: Y, U and V, and what they are.
    #[test]
    fn bars_are_the_colours_of_their_standard_at_any_size() {
        let bars = [
            ([180, 128, 128], [191, 191, 191]),
            ([162, 44, 142], [191, 191, 0]),
            ([131, 156, 44], [0, 191, 191]),
            ([65, 100, 212], [191, 0, 0]),
            ([35, 212, 114], [0, 0, 191]),
        ];
        for (yuv, rgb) in bars {
            let mut frame = Frame::black(8, 6);
            frame.planes_mut().into_iter().zip(yuv).for_each(|(plane, value)| plane.fill(value));
            for (width, height) in [(8, 6), (5, 3), (1, 1), (17, 12)] {
                let mut raster = Raster::default();
                raster.sample(&frame, width, height);
                for at in 0..width * height {
                    let seen = raster.pixel(at % width, at / width);
                    let is_near = seen.iter().zip(rgb).all(|(a, b)| a.abs_diff(b) <= 2);
                    assert!(is_near, "{yuv:?} became {seen:?} for {rgb:?}");
                }
            }
        }
    }
}
