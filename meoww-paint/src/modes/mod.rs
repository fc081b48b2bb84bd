//! One file a way of drawing with cells: how many pixels a cell has, and which glyph and colours
//! show them.
//!
//! A new one is a file here and a [`Render`](crate::Render) that names it.

pub(crate) mod ascii;
pub(crate) mod half;
pub(crate) mod quadrant;

use crate::{mode::Color, palette::Rgb, pen::Pen};

/// What users choose a mode by.
pub(crate) struct About {
    pub(crate) name: &'static str,
    /// One line.
    pub(crate) help: &'static str,
    pub(crate) needs_unicode: bool,
    pub(crate) needs_colors: bool,
}

/// How cells show pixels, `N` each, row by row from the cell's upper left.
pub(crate) trait Glyphs<const N: usize>: Send {
    /// Pixels side by side in a cell.
    const COLUMNS: usize;
    /// Pixels over one another in a cell.
    const ROWS: usize = N / Self::COLUMNS;

    /// Draws a cell. Returns what to remember of it, for [`Glyphs::will_do`].
    fn draw(pen: &mut Pen<'_>, wanted: [Rgb; N]) -> [Rgb; N];

    /// Whether a cell of which `shown` is remembered will do where `wanted` is to be seen.
    fn will_do(color: Color, shown: [Rgb; N], wanted: [Rgb; N]) -> bool;
}
