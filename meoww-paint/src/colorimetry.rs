//! What the numbers of a picture mean as colours.

/// How much red, green and blue there is in the luma of a picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Matrix {
    /// ITU-R BT.601: cameras, and what is not said otherwise.
    #[default]
    Bt601,
    /// ITU-R BT.709: most video in high definition.
    Bt709,
}

/// Which of the 256 values of a sample are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Range {
    /// Luma from 16 to 235, chroma from 16 to 240.
    #[default]
    Limited,
    /// All of them.
    Full,
}

/// The meaning of Y, U and V.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Colorimetry {
    /// The weights of luma.
    pub matrix: Matrix,
    /// The values that are used.
    pub range: Range,
}

/// What Y, U and V are multiplied by to become red, green and blue (0 to 255).
pub(crate) struct Coefficients {
    pub(crate) black: f32,
    pub(crate) luma: f32,
    pub(crate) red_v: f32,
    pub(crate) green_u: f32,
    pub(crate) green_v: f32,
    pub(crate) blue_u: f32,
}

impl Colorimetry {
    pub(crate) fn coefficients(self) -> Coefficients {
        let (kr, kb) = match self.matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
        };
        let kg = 1.0 - kr - kb;
        // Chroma reaches half its scale to either side of 128.
        let (black, luma, chroma) = match self.range {
            Range::Limited => (16.0, 255.0 / 219.0, 255.0 / 112.0),
            Range::Full => (0.0, 1.0, 255.0 / 127.5),
        };
        let (red_v, blue_u) = (chroma * (1.0 - kr), chroma * (1.0 - kb));
        Coefficients {
            black,
            luma,
            red_v,
            green_u: -kb / kg * blue_u,
            green_v: -kr / kg * red_v,
            blue_u,
        }
    }
}
