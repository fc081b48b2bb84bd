//! Places on a terminal's screen, in cells from its upper left corner.

/// One cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Column, from 0.
    pub x: u16,
    /// Row, from 0.
    pub y: u16,
}

/// Width and height in cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// The proportion of the width of a cell, or of a picture's pixel, to its height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellShape {
    width: u16,
    height: u16,
}

impl CellShape {
    /// Twice as high as wide, as the cells of most fonts nearly are.
    pub const USUAL: Self = Self { width: 1, height: 2 };
    /// As wide as high, as the pixels of most pictures are.
    pub const SQUARE: Self = Self { width: 1, height: 1 };

    /// Of a cell of this size, in pixels or any other unit. `None` for what no font has: nothing, or
    /// more than eight times as long one way as the other.
    pub const fn new(width: u16, height: u16) -> Option<Self> {
        let (w, h) = (width as u32, height as u32);
        if w == 0 || h == 0 || w > 8 * h || h > 8 * w {
            return None;
        }
        let (mut divisor, mut rest) = (width, height);
        while rest > 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        Some(Self { width: width / divisor, height: height / divisor })
    }

    /// Width in the smallest whole numbers.
    pub const fn width(self) -> u16 {
        self.width
    }

    /// Height in the same unit.
    pub const fn height(self) -> u16 {
        self.height
    }
}

/// A rectangle of cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    /// Its leftmost column.
    pub x: u16,
    /// Its uppermost row.
    pub y: u16,
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

impl Rect {
    /// A rectangle at (`x`, `y`).
    pub const fn new(x: u16, y: u16, width: u16, height: u16) -> Self {
        Self { x, y, width, height }
    }

    /// How large it is.
    pub const fn size(self) -> Size {
        Size { width: self.width, height: self.height }
    }

    /// Whether it has no cell.
    pub const fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// Whether the cell at `at` is part of it.
    pub fn contains(self, at: Position) -> bool {
        let inside = |value: u16, start: u16, length: u16| {
            value.checked_sub(start).is_some_and(|offset| offset < length)
        };
        inside(at.x, self.x, self.width) && inside(at.y, self.y, self.height)
    }

    /// Its cells, row by row.
    pub fn positions(self) -> impl Iterator<Item = Position> {
        (0..self.height)
            .flat_map(move |y| (0..self.width).map(move |x| (x, y)))
            .map(move |(x, y)| Position { x: self.x + x, y: self.y + y })
    }
}

impl From<Size> for Rect {
    /// The rectangle of that size in the upper left corner.
    fn from(size: Size) -> Self {
        Self::new(0, 0, size.width, size.height)
    }
}
