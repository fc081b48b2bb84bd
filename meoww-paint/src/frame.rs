//! The picture every stage passes on.

use crate::{area::CellShape, colorimetry::Colorimetry};

/// A picture in planar YUV 4:2:0 (I420). Width and height are even and not zero. Its pixels are
/// square and its colours BT.601 in limited range, as cameras have them, where nothing else is said.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    width: usize,
    height: usize,
    colorimetry: Colorimetry,
    pixel: CellShape,
    data: Vec<u8>,
}

impl Frame {
    /// A black picture. Odd sizes are rounded down, to 2 at the least.
    pub fn black(width: usize, height: usize) -> Self {
        let (width, height) = ((width & !1).max(2), (height & !1).max(2));
        let mut data = vec![128; width * height * 3 / 2];
        data[..width * height].fill(16);
        Self { width, height, colorimetry: Colorimetry::default(), pixel: CellShape::SQUARE, data }
    }

    /// Takes `data` as the Y plane followed by U and V; `None` when sizes are odd, zero, or do not
    /// match.
    pub fn from_i420(width: usize, height: usize, data: Vec<u8>) -> Option<Self> {
        let even = width > 0 && height > 0 && width.is_multiple_of(2) && height.is_multiple_of(2);
        let size = width.checked_mul(height)?.checked_mul(3)? / 2;
        (even && data.len() == size).then_some(Self {
            width,
            height,
            colorimetry: Colorimetry::default(),
            pixel: CellShape::SQUARE,
            data,
        })
    }

    /// Copies Y, U and V out of buffers whose rows are `strides` bytes apart; `None` when a size is
    /// odd or zero, or a buffer too short.
    pub fn from_planes(
        width: usize,
        height: usize,
        planes: [&[u8]; 3],
        strides: [usize; 3],
    ) -> Option<Self> {
        let size = width.checked_mul(height)?.checked_mul(3)? / 2;
        let mut data = Vec::with_capacity(size);
        for (index, (plane, stride)) in planes.into_iter().zip(strides).enumerate() {
            let shift = usize::from(index > 0);
            let (columns, rows) = (width >> shift, height >> shift);
            for row in 0..rows {
                let start = row.checked_mul(stride)?;
                data.extend_from_slice(plane.get(start..start.checked_add(columns)?)?);
            }
        }
        Self::from_i420(width, height, data)
    }

    /// The same samples, in other colours.
    pub fn with_colorimetry(self, colorimetry: Colorimetry) -> Self {
        Self { colorimetry, ..self }
    }

    /// The same samples, in pixels of another shape.
    pub fn with_pixel(self, pixel: CellShape) -> Self {
        Self { pixel, ..self }
    }

    /// What its samples mean as colours.
    pub fn colorimetry(&self) -> Colorimetry {
        self.colorimetry
    }

    /// The shape of its pixels.
    pub fn pixel(&self) -> CellShape {
        self.pixel
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Y (full size), U and V (half size each way), rows without padding.
    pub fn planes(&self) -> [&[u8]; 3] {
        let (y, uv) = self.data.split_at(self.width * self.height);
        let (u, v) = uv.split_at(uv.len() / 2);
        [y, u, v]
    }

    /// Width and height of each of [`Frame::planes`].
    pub(crate) fn plane_sizes(&self) -> [(usize, usize); 3] {
        let half = (self.width / 2, self.height / 2);
        [(self.width, self.height), half, half]
    }

    /// [`Frame::planes`], to write.
    pub fn planes_mut(&mut self) -> [&mut [u8]; 3] {
        let (y, uv) = self.data.split_at_mut(self.width * self.height);
        let (u, v) = uv.split_at_mut(uv.len() / 2);
        [y, u, v]
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({}x{})", self.width, self.height)
    }
}
