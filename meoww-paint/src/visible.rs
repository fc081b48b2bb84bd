//! The visible parts of a picture, as rectangles.

use crate::{area::Rect, ground::Cell};

/// Returns rectangles that do not overlap and hold every cell of the picture that no overlay has, in
/// cells from the picture's upper left. Rows that are alike make one of them.
pub(crate) fn visible(columns: u16, rows: u16, cells: &[Cell], stride: usize) -> Vec<Rect> {
    let (mut found, mut above) = (Vec::<Rect>::new(), Vec::<Rect>::new());
    for y in 0..rows {
        let row = &cells[usize::from(y) * stride..][..usize::from(columns)];
        let runs = runs(row, y);
        let alike = |a: &Rect, b: &Rect| (a.x, a.width) == (b.x, b.width);
        if runs.len() == above.len() && runs.iter().zip(&above).all(|(a, b)| alike(a, b)) {
            above.iter_mut().for_each(|rect| rect.height += 1);
        } else {
            found.append(&mut above);
            above = runs;
        }
    }
    found.append(&mut above);
    found
}

/// The runs of cells in a row that are seen.
fn runs(row: &[Cell], y: u16) -> Vec<Rect> {
    let mut runs: Vec<Rect> = Vec::new();
    for (x, cell) in row.iter().enumerate() {
        let x = x as u16;
        match runs.last_mut() {
            _ if *cell == Cell::Covered => {}
            Some(run) if run.x + run.width == x => run.width += 1,
            _ => runs.push(Rect::new(x, y, 1, 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::area::Position;

    #[test]
    fn a_hole_in_the_middle_leaves_four_rectangles() {
        let hole = Rect::new(2, 1, 3, 2);
        let all = Rect::new(0, 0, 8, 5);
        let cell = |at| if hole.contains(at) { Cell::Covered } else { Cell::Picture };
        let cells: Vec<Cell> = all.positions().map(cell).collect();
        let expected = [(0, 0, 8, 1), (0, 1, 2, 2), (5, 1, 3, 2), (0, 3, 8, 2)]
            .map(|(x, y, width, height)| Rect { x, y, width, height });
        assert_eq!(visible(8, 5, &cells, 8), expected);
    }

    proptest! {
        #[test]
        fn each_cell_that_is_seen_is_in_one_rectangle(
            size in (1u16..12, 1u16..8),
            covered in prop::collection::vec(any::<bool>(), 96),
        ) {
            let cell = |covered| if covered { Cell::Covered } else { Cell::Unknown };
            let cells: Vec<Cell> = covered.into_iter().map(cell).collect();
            let found = visible(size.0, size.1, &cells, 12);
            for at in Rect::new(0, 0, size.0, size.1).positions() {
                let count = found.iter().filter(|rect| rect.contains(at)).count();
                let is_seen = cells[usize::from(at.y) * 12 + usize::from(at.x)] != Cell::Covered;
                prop_assert_eq!(count, usize::from(is_seen), "{:?}", at);
            }
            let inside = |rect: &Rect| {
                let last = Position { x: rect.x + rect.width - 1, y: rect.y + rect.height - 1 };
                !rect.is_empty() && Rect::new(0, 0, size.0, size.1).contains(last)
            };
            prop_assert!(found.iter().all(inside));
        }
    }
}
