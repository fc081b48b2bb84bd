//! The ways to draw a picture.

/// The glyphs that cells are drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Render {
    /// Two pixels a cell, one over the other, in its two colours: `▀`.
    HalfBlock,
    /// A character as dense as the cell is bright.
    Ascii,
}

/// The colours there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// 24 bits.
    True,
    /// The palette of xterm: a cube of 6x6x6 and 24 greys.
    Ansi256,
    /// None but the terminal's own.
    Mono,
}

/// How pictures are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// The glyphs that cells are drawn with.
    pub render: Render,
    /// The colours there are.
    pub color: Color,
}
