//! From a picture to the bytes that make a terminal show it.
//!
//! A crate of its own because its loops over pixels must be optimised, also where the rest of the
//! client is not. It knows no terminal, no clock and no call: bytes in, bytes out.

mod area;
mod convert;
mod frame;
mod mode;
mod palette;
mod pen;
mod renderer;
mod sample;
mod scale;
#[cfg(test)]
mod tests;

pub use area::{Position, Rect, Size};
pub use frame::Frame;
pub use mode::{Color, Mode, Render};
pub use renderer::{Renderer, grid_pixels};
pub use scale::{Grid, Scaler};
