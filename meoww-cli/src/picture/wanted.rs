//! The pictures that one side asks of the other: how large, and how many a second.

use meoww_paint::Grid;

/// Pictures a second: as many as cameras make, and the fewest that still move.
pub const MOST_FPS: u8 = 30;
/// See [`MOST_FPS`].
pub const LEAST_FPS: u8 = 5;

/// What a side can show. It is sent no more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// How large.
    pub grid: Grid,
    fps: u8,
}

impl Wanted {
    /// Whatever there is.
    pub const ALL: Self = Self { grid: Grid::FULL, fps: MOST_FPS };

    /// Pictures in `grid`, `fps` a second, which is brought into range.
    pub fn new(grid: Grid, fps: u8) -> Self {
        Self { grid, fps: fps.clamp(LEAST_FPS, MOST_FPS) }
    }

    /// Pictures a second, at most.
    pub fn fps(self) -> u8 {
        self.fps
    }
}
