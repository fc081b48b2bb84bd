//! One file a way of drawing. Of those with cells, it says how many pixels a cell has, and which glyphs
//! show them.
//!
//! A new one is a file here and a [`Render`](crate::Render) that names it.

pub(crate) mod ascii;
pub(crate) mod braille;
pub(crate) mod half;
pub(crate) mod iterm2;
pub mod kitty;
pub(crate) mod octant;
pub(crate) mod quadrant;
pub(crate) mod sextant;
pub mod sixel;

/// What users choose a mode by.
pub(crate) struct About {
    pub(crate) name: &'static str,
    /// One line.
    pub(crate) help: &'static str,
    pub(crate) needs_unicode: bool,
}

/// Glyphs that show the pixels of a cell in two colours.
pub(crate) struct Symbols {
    /// Pixels side by side.
    pub(crate) across: usize,
    /// Pixels over one another.
    pub(crate) down: usize,
    /// The glyph with these pixels in front, bit by bit from the upper left, row by row.
    pub(crate) glyph: fn(usize) -> char,
}
