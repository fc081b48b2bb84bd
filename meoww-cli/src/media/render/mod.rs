//! A picture drawn with characters: from a frame to the bytes a terminal takes.

mod mode;
mod palette;
mod pen;
mod renderer;
mod sample;
#[cfg(test)]
mod tests;

pub use mode::{Color, ColorChoice, Env, Mode, Render, RenderChoice, choose};
pub use renderer::{Renderer, grid_pixels};
