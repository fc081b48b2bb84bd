//! Where things are on the screen.

use meoww_paint::CellShape;
use ratatui::layout::{Constraint, Margin, Rect, Size};

/// The smallest screen that holds them.
pub const MIN_SIZE: Size = Size { width: 40, height: 12 };

const ONE: Margin = Margin { horizontal: 1, vertical: 1 };
const PADDED: Margin = Margin { horizontal: 2, vertical: 1 };

/// The panes of a screen. Those with a border are given with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The picture of the partner, with its border.
    pub stage: Rect,
    /// One's own picture in the lower right of the stage, with its border.
    pub self_view: Option<Rect>,
    /// The chat, with its border.
    pub chat: Option<Rect>,
    /// The status line.
    pub status: Rect,
}

impl Layout {
    /// Lays out a screen of cells of this shape; `None` when it is too small.
    pub fn new(screen: Size, cell: CellShape, chat: bool, self_view: bool) -> Option<Self> {
        if screen.width < MIN_SIZE.width || screen.height < MIN_SIZE.height {
            return None;
        }
        let Size { width, height } = screen;
        let status = Rect::new(0, height - 1, width, 1);
        let whole = Rect::new(0, 0, width, height - 1);
        let (stage, chat) = if chat { split(whole, cell) } else { (whole, None) };
        let self_view = if self_view { corner(stage.inner(ONE), cell) } else { None };
        Some(Self { stage, self_view, chat, status })
    }

    /// The cells of the partner's picture.
    pub fn remote(&self) -> Rect {
        self.stage.inner(ONE)
    }

    /// The cells of one's own picture.
    pub fn local(&self) -> Option<Rect> {
        self.self_view.map(|self_view| self_view.inner(ONE))
    }

    /// The cells of what was said.
    pub fn chat_log(&self) -> Option<Rect> {
        self.chat.map(|chat| {
            let inside = chat.inner(PADDED);
            Rect { height: inside.height - 1 - self.has_rule(), ..inside }
        })
    }

    /// The cells of the line one types into.
    pub fn chat_input(&self) -> Option<Rect> {
        self.chat.map(|chat| {
            let inside = chat.inner(PADDED);
            Rect { y: inside.bottom() - 1, height: 1, ..inside }
        })
    }

    /// The line between the two, border to border, where there is room for it.
    pub fn chat_rule(&self) -> Option<Rect> {
        let chat = self.chat.filter(|_| self.has_rule() == 1)?;
        Some(Rect { y: chat.bottom() - 3, height: 1, ..chat })
    }

    fn has_rule(&self) -> u16 {
        self.chat.is_some_and(|chat| chat.height >= 9).into()
    }
}

/// The chat beside the stage or below it: whichever leaves the larger picture.
fn split(whole: Rect, cell: CellShape) -> (Rect, Option<Rect>) {
    let columns = Constraint::Length((whole.width / 4).clamp(30, 44));
    let rows = Constraint::Length((whole.height / 4).clamp(5, 14));
    let beside = ratatui::layout::Layout::horizontal([Constraint::Fill(1), columns]).areas(whole);
    let below = ratatui::layout::Layout::vertical([Constraint::Fill(1), rows]).areas(whole);
    let width = |pane| picture_width(pane, cell);
    let [stage, chat] = if width(beside[0]) >= width(below[0]) { beside } else { below };
    (stage, Some(chat))
}

/// Columns of a picture of 4:3 in a bordered pane.
fn picture_width(pane: Rect, cell: CellShape) -> u16 {
    let inside = pane.inner(ONE);
    inside.width.min(columns(inside.height, cell))
}

/// Columns of a picture of 4:3 that is so many rows high.
fn columns(rows: u16, cell: CellShape) -> u16 {
    let columns = u32::from(rows) * 4 * u32::from(cell.height()) / (3 * u32::from(cell.width()));
    u16::try_from(columns).unwrap_or(u16::MAX)
}

/// A frame for a picture of 4:3; none when it would leave too little of the other.
fn corner(stage: Rect, cell: CellShape) -> Option<Rect> {
    let most = (1..=stage.height / 3).rev().find(|rows| columns(*rows, cell) <= stage.width / 4);
    let rows = most.unwrap_or(0);
    let (width, height) = (columns(rows, cell) + 2, rows + 2);
    (rows >= 3).then(|| Rect {
        x: stage.right() - width,
        y: stage.bottom() - height,
        width,
        height,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layout(width: u16, height: u16) -> Layout {
        Layout::new(Size::new(width, height), CellShape::USUAL, true, true).unwrap()
    }

    #[test]
    fn chat_is_beside_on_wide_screens_and_below_on_tall_ones() {
        for (width, height) in [(80, 24), (120, 30), (200, 60)] {
            assert_eq!(layout(width, height).chat.unwrap().y, 0, "{width}x{height}");
        }
        for (width, height) in [(40, 12), (60, 40), (90, 60)] {
            assert!(layout(width, height).chat.unwrap().y > 0, "{width}x{height}");
        }
    }

    #[test]
    fn the_self_view_is_4_to_3_in_cells_of_any_shape() {
        for (width, height) in [(10, 20), (10, 16), (8, 19)] {
            let cell = CellShape::new(width, height).unwrap();
            let local = Layout::new(Size::new(160, 48), cell, true, true).unwrap().local().unwrap();
            let ratio = f64::from(local.width * width) / f64::from(local.height * height);
            // Within the last column, of 20 or more.
            assert!((1.26..=1.34).contains(&ratio), "{ratio} in {local}");
        }
    }

    #[test]
    fn too_small_is_no_layout() {
        assert_eq!(Layout::new(Size::new(39, 50), CellShape::USUAL, true, true), None);
        assert_eq!(Layout::new(Size::new(50, 11), CellShape::USUAL, true, true), None);
    }

    proptest! {
        #[test]
        fn panes_are_on_the_screen_and_apart(
            (width, height, chat, self_view) in (40u16..400, 12u16..150, any::<bool>(), any::<bool>()),
            shape in (1u16..40, 1u16..40),
        ) {
            let Some(cell) = CellShape::new(shape.0, shape.1) else { return Ok(()) };
            let layout = Layout::new(Size::new(width, height), cell, chat, self_view).unwrap();
            let panes = [Some(layout.stage), layout.chat, Some(layout.status)];
            let panes: Vec<Rect> = panes.into_iter().flatten().collect();
            let cells: u32 = panes.iter().map(|pane| pane.area()).sum();
            prop_assert_eq!(cells, u32::from(width) * u32::from(height));
            for (i, a) in panes.iter().enumerate() {
                prop_assert!(panes[i + 1..].iter().all(|b| !a.intersects(*b)));
            }
            prop_assert!(!layout.remote().is_empty());
            if let Some(local) = layout.local() {
                prop_assert!(layout.remote().union(local) == layout.remote());
            }
            if let (Some(log), Some(input)) = (layout.chat_log(), layout.chat_input()) {
                prop_assert!(!log.is_empty() && !input.is_empty() && !log.intersects(input));
                prop_assert!(layout.chat_rule().is_none_or(|r| !r.intersects(log) && !r.intersects(input)));
            }
        }
    }
}
