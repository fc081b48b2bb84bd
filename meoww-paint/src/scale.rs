//! Makes a picture as small as the screen that will show it.

use std::sync::Arc;

use crate::{coverage::PlaneScaler, frame::Frame};

/// What a screen can show, in pixels: 16x16 to 1280x720 (H.264 level 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    width: u16,
    height: u16,
}

impl Grid {
    /// Smallest side of a picture that is sent.
    pub const MIN: u16 = 16;
    /// The largest picture that is sent.
    pub const FULL: Self = Self { width: 1280, height: 720 };

    /// Brings both sides into range.
    pub fn new(width: u32, height: u32) -> Self {
        let clamp =
            |side: u32, max: u16| u16::try_from(side).unwrap_or(u16::MAX).clamp(Self::MIN, max);
        Self { width: clamp(width, Self::FULL.width), height: clamp(height, Self::FULL.height) }
    }

    /// Twice as many pixels each way.
    pub(crate) fn doubled(self) -> Self {
        Self::new(2 * u32::from(self.width), 2 * u32::from(self.height))
    }

    /// Width in pixels.
    pub fn width(self) -> u16 {
        self.width
    }

    /// Height in pixels.
    pub fn height(self) -> u16 {
        self.height
    }

    /// The size at which a picture of `width` x `height` fits inside, aspect kept: even, never
    /// larger than the picture, and at least [`Grid::MIN`] each way where the picture is.
    pub fn fit(self, width: usize, height: usize) -> (usize, usize) {
        let (max_width, max_height) = (usize::from(self.width), usize::from(self.height));
        let wide = max_width * height <= max_height * width;
        let (w, h) = if width <= max_width && height <= max_height {
            (width, height)
        } else if wide {
            (max_width, height * max_width / width.max(1))
        } else {
            (width * max_height / height.max(1), max_height)
        };
        let even = |side: usize, whole: usize| {
            (side & !1).max(usize::from(Self::MIN)).min((whole & !1).max(2))
        };
        (even(w, width), even(h, height))
    }
}

/// Scales pictures by area; keeps its scratch memory between them.
#[derive(Default)]
pub struct Scaler {
    planes: [PlaneScaler; 3],
}

impl Scaler {
    /// The picture at `size` (even, not zero). The very same picture when it has that size already.
    pub fn scale(&mut self, frame: &Arc<Frame>, size: (usize, usize)) -> Arc<Frame> {
        if (frame.width(), frame.height()) == size {
            return frame.clone();
        }
        let mut scaled = Frame::black(size.0, size.1);
        let sizes = frame.plane_sizes().into_iter().zip(scaled.plane_sizes());
        let planes = frame.planes().into_iter().zip(scaled.planes_mut());
        for ((scaler, (from, to)), (source, target)) in
            self.planes.iter_mut().zip(sizes).zip(planes)
        {
            scaler.scale(source, from, to, |y, row| {
                let target = &mut target[y * to.0..][..to.0];
                target.iter_mut().zip(row).for_each(|(to, from)| *to = (from + 0.5) as u8);
            });
        }
        Arc::new(scaled.with_colorimetry(frame.colorimetry()).with_pixel(frame.pixel()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn common_grids() {
        assert_eq!(Grid::new(160, 90).fit(320, 240), (120, 90));
        assert_eq!(Grid::new(80, 200).fit(320, 240), (80, 60));
        assert_eq!(Grid::FULL.fit(320, 240), (320, 240));
        assert_eq!(Grid::new(0, u32::MAX).fit(640, 480), (16, 16));
    }

    #[test]
    fn the_same_size_is_not_copied() {
        let frame = Arc::new(Frame::black(64, 48));
        assert!(Arc::ptr_eq(&frame, &Scaler::default().scale(&frame, (64, 48))));
    }

    proptest! {
        #[test]
        fn fits_inside_and_never_upscales(
            grid in (0u32..3000, 0u32..3000), width in 1usize..2000, height in 1usize..2000,
        ) {
            let (width, height) = (width * 2, height * 2);
            let grid = Grid::new(grid.0, grid.1);
            let (w, h) = grid.fit(width, height);
            prop_assert!(w <= width && h <= height);
            prop_assert!(w <= usize::from(grid.width()) && h <= usize::from(grid.height()));
            prop_assert!(w % 2 == 0 && h % 2 == 0 && w > 0 && h > 0);
        }

        #[test]
        fn any_size_scales(w in 1usize..200, h in 1usize..200) {
            let scaled = Scaler::default().scale(&Arc::new(Frame::black(320, 240)), (w * 2, h * 2));
            prop_assert_eq!((scaled.width(), scaled.height()), (w * 2, h * 2));
            prop_assert!(scaled.planes()[0].iter().all(|y| *y == 16));
        }
    }
}
