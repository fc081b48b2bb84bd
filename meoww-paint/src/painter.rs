//! What a way of drawing has to do.

use crate::{
    area::{Rect, Size},
    frame::Frame,
    quality::Quality,
    scale::Grid,
};

/// Draws pictures into an area of the terminal in one way, sending only what changed.
pub trait Painter: Send {
    /// Returns how many pixels of a picture are worth asking for, where an area of so many cells shows
    /// it. They are square, so that a picture scaled into the grid has pixels enough in both
    /// directions; and where cells have colours two for each that is shown, as videos have one sample
    /// of chroma for two of luma each way.
    fn grid(&self, cells: Size) -> Grid;

    /// Sets how much is spent on the pictures from now on.
    fn set_quality(&mut self, quality: Quality);

    /// Appends to `out` what makes `area` (in cells from the terminal's upper left) show `frame` in
    /// its own shape, centred. Areas in `covered` belong to overlays and are left alone. Colours are
    /// the terminal's own before and after. The same frame again makes it more exact, until nothing
    /// is left to improve.
    fn draw(&mut self, frame: &Frame, area: Rect, covered: &[Rect], out: &mut Vec<u8>);

    /// Whether the last picture is as exact as it becomes: drawn again, it stays as it is.
    fn is_settled(&self) -> bool;

    /// Appends to `out` what takes the picture off the screen, as far as drawing cells over it does
    /// not, and forgets it.
    fn erase(&mut self, out: &mut Vec<u8>);

    /// Forgets what was drawn: the terminal was cleared, or something else drew there.
    fn invalidate(&mut self);
}
