//! From a picture to the bytes that make a terminal show it.
//!
//! A crate of its own because its loops over pixels must be optimised, also where the rest of the
//! client is not. It knows no terminal, no clock and no call: bytes in, bytes out.

mod area;
mod blur;
mod cells;
mod charset;
mod colored;
mod colorimetry;
mod convert;
mod coverage;
mod deltas;
mod dither;
mod few_colors;
mod frame;
mod glyphs;
mod ground;
mod indexed;
mod ink;
mod layout;
mod letterforms;
mod letters;
mod look;
mod mode;
mod modes;
mod motion;
mod painter;
mod palette;
mod passthrough;
mod pixels;
mod png;
mod quality;
mod raster;
mod sample;
mod scale;
mod search;
mod simd;
mod split;
mod stillness;
#[cfg(test)]
mod tests;
mod tried;
mod visible;

pub use area::{CellShape, Position, Rect, Size};
pub use charset::Charset;
pub use colorimetry::{Colorimetry, Matrix, Range};
pub use frame::Frame;
pub use look::{Filter, Look, Percent};
pub use mode::{Color, Mode, Render, Traits};
pub use modes::{kitty, sixel};
pub use painter::Painter;
pub use passthrough::push_passed;
pub use quality::Quality;
pub use scale::{Grid, Scaler};
