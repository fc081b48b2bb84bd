//! What the terminal can do, as a value.

use meoww_paint::{
    CellShape, Color, Mode, Render, Traits, kitty, kitty::KittyTraits, sixel, sixel::SixelTraits,
};

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
    /// Width and height of its cells in pixels, where it says so.
    pub cell_pixels: Option<(u16, u16)>,
    /// Whether it shows sixels, with colours enough.
    pub sixel: bool,
    /// Its way of showing them.
    pub sixel_traits: SixelTraits,
    /// Whether it knows kitty's graphics protocol.
    pub kitty: bool,
    /// How much of that it knows.
    pub kitty_traits: KittyTraits,
    /// Whether it shows inline images of iTerm2.
    pub iterm2: bool,
    /// Whether its background is light.
    pub is_light: bool,
}

impl Caps {
    /// A terminal of these colours that is not known for more.
    pub const fn new(color: Color, unicode: bool) -> Self {
        Self {
            color,
            unicode,
            synchronized: false,
            cell: CellShape::USUAL,
            cell_pixels: None,
            sixel: false,
            sixel_traits: Traits::USUAL.sixel,
            kitty: false,
            kitty_traits: Traits::USUAL.kitty,
            iterm2: false,
            is_light: false,
        }
    }

    /// Whether it can show pictures that are drawn so.
    pub fn shows(self, render: Render) -> bool {
        match render {
            Render::Kitty => self.kitty,
            Render::Iterm2 => self.iterm2,
            Render::Sixel => self.sixel,
            _ => self.unicode || !render.needs_unicode(),
        }
    }

    /// How to draw: as asked for, or else with pixels where those `may` be, or else as is best with
    /// cells.
    pub fn mode(self, asked: Option<Render>, may_have_pixels: bool) -> Mode {
        let cells = if self.color == Color::Mono { Render::Ascii } else { Render::HalfBlock };
        let pixels = [Render::Kitty, Render::Iterm2, Render::Sixel].into_iter();
        let pixels = pixels.filter(|render| may_have_pixels && self.is_sure_of(*render));
        let choices = asked.into_iter().chain(pixels).chain([cells]);
        let render = choices.into_iter().find(|render| self.shows(*render));
        Mode::new(render.unwrap_or(Render::Ascii), self.color)
    }

    /// Whether pictures drawn so are shown, and not only taken. tmux takes sixels whatever the terminal
    /// around it shows, and writes `SIXEL IMAGE` where that shows none.
    fn is_sure_of(self, render: Render) -> bool {
        render != Render::Sixel || !self.sixel_traits.in_tmux
    }

    /// Returns the bytes that take off every picture that cells drawn over it do not.
    pub fn farewell(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.kitty {
            bytes.extend(kitty::leave_nothing(self.kitty_traits.in_tmux));
        }
        if self.sixel && self.sixel_traits.keeps_colors {
            bytes.extend_from_slice(sixel::OWN_COLORS);
        }
        bytes
    }

    /// What a painter has to know. Terminals that have synchronised output, which is younger, know how
    /// to repeat a character as well.
    pub fn traits(self) -> Traits {
        Traits {
            cell: self.cell,
            cell_pixels: self.cell_pixels.unwrap_or_else(|| usual_pixels(self.cell)),
            repeats: self.synchronized,
            is_light: self.is_light,
            kitty: self.kitty_traits,
            sixel: self.sixel_traits,
        }
    }
}

/// The pixels of a cell of this shape at a usual size of a font.
fn usual_pixels(cell: CellShape) -> (u16, u16) {
    let width = u32::from(Traits::USUAL.cell_pixels.0);
    let height = (width * u32::from(cell.height())).div_ceil(u32::from(cell.width()));
    (width as u16, height as u16)
}
