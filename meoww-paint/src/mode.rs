//! The ways to draw a picture.

use crate::{
    area::CellShape,
    cells::Cells,
    modes::{About, ascii, half, quadrant},
    painter::Painter,
};

/// The glyphs that cells are drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Render {
    /// Two pixels a cell, one over the other, in its two colours: `▀`.
    HalfBlock,
    /// Four pixels a cell, in its two colours: `▚`.
    Quadrant,
    /// A character as dense as the cell is bright.
    Ascii,
}

impl Render {
    /// Every one, in the order they are offered.
    pub const ALL: [Self; 3] = [Self::HalfBlock, Self::Quadrant, Self::Ascii];

    /// What users choose it by.
    pub const fn name(self) -> &'static str {
        self.about().name
    }

    /// One line of help.
    pub const fn help(self) -> &'static str {
        self.about().help
    }

    /// Whether the terminal must show Unicode.
    pub const fn needs_unicode(self) -> bool {
        self.about().needs_unicode
    }

    /// Whether the terminal must show colours.
    pub const fn needs_colors(self) -> bool {
        self.about().needs_colors
    }

    const fn about(self) -> About {
        match self {
            Self::HalfBlock => half::ABOUT,
            Self::Quadrant => quadrant::ABOUT,
            Self::Ascii => ascii::ABOUT,
        }
    }
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

impl Mode {
    /// Returns a painter that has drawn nothing yet, for cells of this shape.
    pub fn painter(self, cell: CellShape) -> Box<dyn Painter> {
        match self.render {
            Render::HalfBlock => Box::new(Cells::<half::HalfBlock, 2>::new(self.color, cell)),
            Render::Quadrant => Box::new(Cells::<quadrant::Quadrant, 4>::new(self.color, cell)),
            Render::Ascii => Box::new(Cells::<ascii::Ascii, 2>::new(self.color, cell)),
        }
    }
}
