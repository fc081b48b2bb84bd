//! What the terminal can do, as a value.

use meoww_paint::{CellShape, Color, Mode, Render, Traits};

/// What this terminal can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// The colours it has.
    pub color: Color,
    /// Whether more than ASCII can be shown, as borders and text.
    pub unicode: bool,
    /// Whether it shows an update when it is whole (private mode 2026). Others ignore the mode, and
    /// are spared it.
    pub synchronized: bool,
    /// How its cells are shaped.
    pub cell: CellShape,
    /// Whether it shows sixels.
    pub sixel: bool,
    /// Whether it knows kitty's graphics protocol.
    pub kitty: bool,
    /// Whether its background is light.
    pub is_light: bool,
}

impl Caps {
    /// A terminal of these colours that is not known for more.
    pub const fn new(color: Color, unicode: bool) -> Self {
        let cell = CellShape::USUAL;
        let (synchronized, sixel, kitty, is_light) = (false, false, false, false);
        Self { color, unicode, synchronized, cell, sixel, kitty, is_light }
    }

    /// How to draw: as asked for, or as is best. What needs Unicode becomes letters without it.
    pub fn mode(self, asked: Option<Render>) -> Mode {
        let best = if self.color == Color::Mono { Render::Ascii } else { Render::HalfBlock };
        let render = asked.unwrap_or(best);
        let is_shown = self.unicode || !render.needs_unicode();
        let render = if is_shown { render } else { Render::Ascii };
        Mode::new(render, self.color)
    }

    /// What a painter has to know. Terminals that have synchronised output, which is younger, know how
    /// to repeat a character as well.
    pub fn traits(self) -> Traits {
        Traits { cell: self.cell, repeats: self.synchronized, is_light: self.is_light }
    }
}
