//! A frame brought to the size it is drawn at, as RGB.

use fast_image_resize::{
    FilterType, ResizeAlg, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::U8,
};

use crate::{area::Size, convert::to_rgb, frame::Frame, palette::Rgb};

/// The largest size with the frame's shape inside `cells`, each one pixel wide and two high. The
/// height is even. A frame that already fills the cells one way stays as it is.
pub(crate) fn fit(frame: &Frame, cells: Size) -> (usize, usize) {
    let (width, height) = (usize::from(cells.width), usize::from(cells.height) * 2);
    let (w, h) = (frame.width(), frame.height());
    // The sender rounds to even sizes: stretching by one pixel would only blur.
    if w <= width && h <= height && (width - w < 2 || height - h < 2) {
        (w, h)
    } else if w * height <= h * width {
        (((w * height + h / 2) / h).max(1), height)
    } else {
        (width, ((h * width + w) / (w * 2)).max(1) * 2)
    }
}

/// Scales and converts, in buffers it keeps.
#[derive(Default)]
pub(crate) struct Sampler {
    resizer: Resizer,
    planes: [Vec<u8>; 3],
    rgb: Vec<Rgb>,
}

impl Sampler {
    /// The frame in `width` x `height` pixels, row by row. The height is even, neither is zero.
    pub(crate) fn sample(&mut self, frame: &Frame, width: usize, height: usize) -> &[Rgb] {
        self.rgb.resize(width * height, [0; 3]);
        if (width, height) == (frame.width(), frame.height()) {
            to_rgb(frame.planes(), width, &mut self.rgb);
        } else {
            self.scale(frame, width, height);
            to_rgb(self.planes.each_ref().map(Vec::as_slice), width, &mut self.rgb);
        }
        &self.rgb
    }

    fn scale(&mut self, frame: &Frame, width: usize, height: usize) {
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        for (i, (from, to)) in frame.planes().into_iter().zip(&mut self.planes).enumerate() {
            let half = |size: usize| if i == 0 { size } else { size.div_ceil(2) } as u32;
            to.resize((half(width) * half(height)) as usize, 0);
            let from =
                TypedImageRef::<U8>::from_buffer(half(frame.width()), half(frame.height()), from)
                    .expect("a frame's planes have the frame's size");
            let mut to = TypedImage::<U8>::from_buffer(half(width), half(height), to)
                .expect("the plane was just sized");
            self.resizer
                .resize_typed(&from, &mut to, &options)
                .expect("without a crop box there is none to be wrong");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fitted(frame: (usize, usize), cells: (u16, u16)) -> (usize, usize) {
        fit(&Frame::black(frame.0, frame.1), Size { width: cells.0, height: cells.1 })
    }

    #[test]
    fn keeps_the_shape() {
        assert_eq!(fitted((640, 480), (160, 45)), (120, 90));
        assert_eq!(fitted((640, 360), (100, 60)), (100, 56));
        assert_eq!(fitted((64, 48), (160, 45)), (120, 90));
    }

    #[test]
    fn takes_what_was_made_to_measure_as_it_is() {
        assert_eq!(fitted((160, 90), (161, 45)), (160, 90));
        assert_eq!(fitted((118, 90), (160, 45)), (118, 90));
    }

    proptest! {
        #[test]
        fn never_larger_than_the_cells(w in 2usize..2000, h in 2usize..2000, cols in 1u16..300, rows in 1u16..100) {
            let (width, height) = fitted((w, h), (cols, rows));
            prop_assert!((1..=usize::from(cols)).contains(&width));
            prop_assert!((1..=usize::from(rows) * 2).contains(&height) && height % 2 == 0);
        }
    }

    #[test]
    fn colours_are_bt601_limited() {
        let mut frame = Frame::black(8, 8);
        let mut sampler = Sampler::default();
        assert_eq!(sampler.sample(&frame, 8, 8)[0], [0, 0, 0]);
        let [y, u, v] = frame.planes_mut();
        y.fill(81);
        u.fill(90);
        v.fill(240);
        for (width, height) in [(8, 8), (3, 2), (20, 14), (1, 2)] {
            let pixels = sampler.sample(&frame, width, height);
            assert_eq!(pixels.len(), width * height);
            for [r, g, b] in pixels {
                assert!(*r > 250 && *g < 4 && *b < 4, "red became {r} {g} {b}");
            }
        }
    }
}
