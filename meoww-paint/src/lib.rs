//! From a picture to the bytes that make a terminal show it.
//!
//! A crate of its own because its loops over pixels must be optimised, also where the rest of the
//! client is not. It knows no terminal, no clock and no call: bytes in, bytes out.

mod area;
mod cells;
mod colorimetry;
mod convert;
mod coverage;
mod frame;
mod mode;
mod modes;
mod painter;
mod palette;
mod pen;
mod sample;
mod scale;
#[cfg(test)]
mod tests;

pub use area::{CellShape, Position, Rect, Size};
pub use colorimetry::{Colorimetry, Matrix, Range};
pub use frame::Frame;
pub use mode::{Color, Mode, Render};
pub use painter::Painter;
pub use scale::{Grid, Scaler};
