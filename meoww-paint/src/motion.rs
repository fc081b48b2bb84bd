//! The shortest way for the cursor from one cell of a picture to a later one.

use crate::area::Position;

/// A cell of a picture, from its upper left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) x: u32,
    pub(crate) y: u32,
}

impl Place {
    /// The cell to the right, which is where the cursor is once this one was drawn.
    pub(crate) fn next(self) -> Self {
        Self { x: self.x + 1, y: self.y }
    }
}

/// The cells of a picture on the screen.
#[derive(Clone, Copy)]
pub(crate) struct Motion {
    /// Its upper left cell.
    pub(crate) origin: Position,
    /// Cells in a row of it.
    pub(crate) columns: u32,
}

/// A way to bring the cursor to a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// CUP: to a row and column of the screen.
    Absolute,
    /// VT so many times, each to the same column of the row below, and then along the row.
    Relative(u32, Along),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Along {
    /// CUF by so many columns.
    Right(u32),
    /// BS so many times.
    Back(u32),
    /// CUB by so many columns.
    Left(u32),
    /// CR, then CUF by so many columns.
    FromStart(u32),
}

impl Motion {
    /// Returns how many bytes it takes to come to the cell `to` from the cursor, which is behind the
    /// cell drawn last, once there was one.
    #[inline(always)]
    pub(crate) fn cost(self, from: Option<Place>, to: Place) -> u32 {
        match from {
            // Most ways are along a row, where nothing is shorter than to go right.
            Some(from) if from.y == to.y && from.x <= to.x => right_cost(to.x - from.x),
            _ => self.best(from, to).1,
        }
    }

    /// Appends the bytes of [`Motion::cost`].
    pub(crate) fn push(self, from: Option<Place>, to: Place, out: &mut Vec<u8>) {
        let (down, along) = match self.best(from, to).0 {
            Way::Absolute => {
                let (x, y) = self.on_screen(to);
                control(&[y + 1, x + 1], b'H', out);
                return;
            }
            Way::Relative(down, along) => (down, along),
        };
        out.extend(std::iter::repeat_n(b'\x0b', down as usize));
        match along {
            Along::Back(count) => out.extend(std::iter::repeat_n(b'\x08', count as usize)),
            Along::Left(count) => control(&[count], b'D', out),
            Along::Right(count) => right(count, out),
            Along::FromStart(count) => {
                out.push(b'\r');
                right(count, out);
            }
        }
    }

    /// Column and row of the screen.
    fn on_screen(self, place: Place) -> (u32, u32) {
        (u32::from(self.origin.x) + place.x, u32::from(self.origin.y) + place.y)
    }

    #[inline(always)]
    fn best(self, from: Option<Place>, to: Place) -> (Way, u32) {
        let (x, y) = self.on_screen(to);
        let absolute = (Way::Absolute, 4 + digits(y + 1) + digits(x + 1));
        let Some(from) = from else { return absolute };
        let (from_x, from_y) = self.on_screen(from);
        let down = y - from_y;
        // Behind the last column of the screen the cursor may wait on that column, or not: only what
        // does not count from there is safe.
        let mut along = (Along::FromStart(x), 1 + right_cost(x));
        if from.x < self.columns {
            let count = from_x.abs_diff(x);
            let ways = if x >= from_x {
                [(Along::Right(count), right_cost(count)); 2]
            } else {
                [(Along::Back(count), count), (Along::Left(count), 3 + digits(count))]
            };
            for way in ways {
                if way.1 <= along.1 {
                    along = way;
                }
            }
        }
        let cost = down + along.1;
        if cost <= absolute.1 { (Way::Relative(down, along.0), cost) } else { absolute }
    }
}

#[inline(always)]
fn right_cost(count: u32) -> u32 {
    match count {
        0 => 0,
        1 => 3,
        _ => 3 + digits(count),
    }
}

fn right(count: u32, out: &mut Vec<u8>) {
    match count {
        0 => {}
        1 => control(&[], b'C', out),
        _ => control(&[count], b'C', out),
    }
}

/// Appends a control sequence (ECMA-48, CSI).
pub(crate) fn control(parameters: &[u32], last: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\x1b[");
    for (index, parameter) in parameters.iter().enumerate() {
        if index > 0 {
            out.push(b';');
        }
        number(*parameter, out);
    }
    out.push(last);
}

/// Appends a number in decimal digits.
pub(crate) fn number(number: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// How many decimal digits a number below 100,000 has.
#[inline(always)]
pub(crate) fn digits(number: u32) -> u32 {
    1 + u32::from(number >= 10)
        + u32::from(number >= 100)
        + u32::from(number >= 1000)
        + u32::from(number >= 10_000)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use proptest::prelude::*;

    use super::*;

    const SIZE: (usize, usize) = (120, 30);

    proptest! {
        /// Draws two cells on a terminal emulator, the second after a move.
        #[test]
        fn the_cursor_comes_to_the_cell(
            origin in (0usize..SIZE.0, 0usize..SIZE.1),
            size in (1usize..=SIZE.0, 1usize..=SIZE.1),
            cells in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        ) {
            let (x, y) = origin;
            let (columns, rows) = (size.0.min(SIZE.0 - x), size.1.min(SIZE.1 - y));
            let origin = Position { x: x as u16, y: y as u16 };
            let motion = Motion { origin, columns: columns as u32 };
            let (first, second) = (cells.0.index(columns * rows), cells.1.index(columns * rows));
            prop_assume!(first < second);
            let [first, second] = [first, second]
                .map(|cell| Place { x: (cell % columns) as u32, y: (cell / columns) as u32 });
            let mut out = Vec::new();
            motion.push(None, first, &mut out);
            out.push(b'a');
            let before = out.len();
            let cursor = Some(first.next());
            motion.push(cursor, second, &mut out);
            prop_assert_eq!(out.len() - before, motion.cost(cursor, second) as usize);
            prop_assert!(out.len() - before <= 9, "no longer than to name row and column");
            out.push(b'b');
            let [rows, width] = [SIZE.1, SIZE.0].map(|n| NonZeroU16::new(n as u16).unwrap());
            let mut terminal = vt100::Parser::new(rows, width, 0);
            terminal.process(&out);
            let at = |cell: Place| {
                let (x, y) = motion.on_screen(cell);
                terminal.screen().cell(y as u16, x as u16).unwrap().contents().to_owned()
            };
            prop_assert_eq!((at(first), at(second)), ("a".to_owned(), "b".to_owned()));
        }
    }

    #[test]
    fn near_cells_cost_little() {
        let motion = Motion { origin: Position { x: 0, y: 0 }, columns: 100 };
        let place = |(x, y): (u32, u32)| Place { x, y };
        let cost = |from, to| motion.cost(Some(place(from).next()), place(to));
        assert_eq!(cost((5, 3), (6, 3)), 0, "the next one");
        assert_eq!(cost((5, 3), (7, 3)), 3, "CSI C");
        assert_eq!(cost((5, 3), (9, 3)), 4, "CSI 3 C");
        assert_eq!(cost((5, 3), (6, 4)), 1, "VT");
        assert_eq!(cost((5, 3), (5, 4)), 2, "VT BS");
        assert_eq!(cost((40, 3), (0, 4)), 2, "VT CR");
    }
}
