//! The ways to draw a picture.

use crate::{
    area::CellShape,
    cells::{Artist, Cells},
    colored::Colored,
    indexed::Indexed,
    letters::{self, Dye, Letters},
    look::Look,
    modes::{
        About, Symbols, ascii, braille, half,
        iterm2::{self, Iterm2},
        kitty::{self, Kitty, KittyTraits},
        octant, quadrant, sextant,
        sixel::{self, Sixel, SixelTraits},
    },
    painter::Painter,
    palette::Palette,
    pixels::{Pixels, Plotter},
    quality::Quality,
};

/// The means of drawing pictures: pixels, or glyphs of cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Render {
    /// Pixels, by kitty's graphics protocol.
    Kitty,
    /// Pixels, as inline images of iTerm2.
    Iterm2,
    /// Pixels in 216 colours, as sixels.
    Sixel,
    /// Eight pixels a cell, in its two colours.
    Octant,
    /// Six pixels a cell, in its two colours.
    Sextant,
    /// Four pixels a cell, in its two colours: `▚`.
    Quadrant,
    /// Two pixels a cell, one over the other, in its two colours: `▀`.
    HalfBlock,
    /// Eight dots a cell.
    Braille,
    /// Letters.
    Ascii,
}

impl Render {
    /// Every one, in the order they are offered.
    pub const ALL: [Self; 9] = [
        Self::Kitty,
        Self::Iterm2,
        Self::Sixel,
        Self::Octant,
        Self::Sextant,
        Self::Quadrant,
        Self::HalfBlock,
        Self::Braille,
        Self::Ascii,
    ];

    /// The name that users choose it by.
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

    /// Whether it draws pixels, which are in colours of their own.
    pub const fn has_pixels(self) -> bool {
        matches!(self, Self::Kitty | Self::Iterm2 | Self::Sixel)
    }

    /// The colours of a picture drawn so where `most` may be used: those of kitty and iTerm2 are always of
    /// 24 bits, sixels have 216 of the 256, and dots none.
    pub const fn color(self, most: Color) -> Color {
        match self {
            Self::Kitty | Self::Iterm2 => Color::True,
            Self::Sixel => Color::Ansi256,
            Self::Braille => Color::Mono,
            Self::Octant | Self::Sextant | Self::Quadrant | Self::HalfBlock | Self::Ascii => most,
        }
    }

    const fn about(self) -> About {
        match self {
            Self::Kitty => kitty::ABOUT,
            Self::Iterm2 => iterm2::ABOUT,
            Self::Sixel => sixel::ABOUT,
            Self::Octant => octant::ABOUT,
            Self::Sextant => sextant::ABOUT,
            Self::Quadrant => quadrant::ABOUT,
            Self::HalfBlock => half::ABOUT,
            Self::Braille => braille::ABOUT,
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
    /// The first 16 colours, as xterm has them.
    Ansi16,
    /// None but the terminal's own.
    Mono,
}

impl Color {
    /// How many there are.
    pub const fn count(self) -> u32 {
        match self {
            Self::True => 1 << 24,
            Self::Ansi256 => 256,
            Self::Ansi16 => 16,
            Self::Mono => 2,
        }
    }
}

/// How pictures are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// The means of drawing them.
    pub render: Render,
    /// The colours there are.
    pub color: Color,
    /// How much is spent on a picture, until something else is said.
    pub quality: Quality,
    /// How it differs from what was sent.
    pub look: Look,
}

/// What else a painter has to know of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traits {
    /// The shape of its cells.
    pub cell: CellShape,
    /// Width and height of a cell in pixels, neither of which is zero.
    pub cell_pixels: (u16, u16),
    /// Whether it repeats a character when it is told to (REP, ECMA-48).
    pub repeats: bool,
    /// Whether its own background is light and its text dark.
    pub is_light: bool,
    /// Its knowledge of kitty's graphics protocol.
    pub kitty: KittyTraits,
    /// Its way with sixels.
    pub sixel: SixelTraits,
}

impl Traits {
    /// What most terminals have in common.
    pub const USUAL: Self = Self {
        cell: CellShape::USUAL,
        cell_pixels: (8, 16),
        repeats: false,
        is_light: false,
        kitty: KittyTraits { edits: false, shares: false, in_tmux: false },
        sixel: SixelTraits { keeps_colors: false, in_tmux: false, widest: 1600 },
    };
}

impl Mode {
    /// Pictures of the usual quality, as they were sent.
    pub const fn new(render: Render, color: Color) -> Self {
        Self { render, color, quality: Quality::USUAL, look: Look::PLAIN }
    }

    /// Returns a painter that has drawn nothing yet.
    pub fn painter(self, terminal: Traits) -> Box<dyn Painter> {
        let (artist, pixels) = match self.render {
            Render::Kitty => return self.pixels(Box::new(Kitty::new(terminal.kitty)), terminal),
            Render::Iterm2 => return self.pixels(Box::<Iterm2>::default(), terminal),
            Render::Sixel => return self.pixels(Box::new(Sixel::new(terminal.sixel)), terminal),
            Render::HalfBlock => self.symbols::<2>(&half::SYMBOLS, terminal),
            Render::Quadrant => self.symbols::<4>(&quadrant::SYMBOLS, terminal),
            Render::Sextant => self.symbols::<6>(&sextant::SYMBOLS, terminal),
            Render::Octant => self.symbols::<8>(&octant::SYMBOLS, terminal),
            Render::Braille => {
                let mono = Self { color: self.render.color(self.color), ..self };
                mono.symbols::<8>(&braille::SYMBOLS, terminal)
            }
            Render::Ascii => {
                let dye = match self.color {
                    Color::True => Dye::True,
                    Color::Ansi256 => Dye::Palette(Palette::ansi256()),
                    Color::Ansi16 => Dye::Palette(Palette::ansi16()),
                    Color::Mono => Dye::None,
                };
                let letters = Letters::new(dye, terminal.is_light, self.look.letters);
                (Box::new(letters) as Box<dyn Artist>, (letters::ACROSS, letters::DOWN))
            }
        };
        self.look.on(Box::new(Cells::new(artist, pixels, terminal.cell, self.quality)))
    }

    fn pixels(self, plotter: Box<dyn Plotter>, terminal: Traits) -> Box<dyn Painter> {
        let Traits { cell, cell_pixels, .. } = terminal;
        self.look.on(Box::new(Pixels::new(plotter, cell_pixels, cell, self.quality)))
    }

    /// Symbols of `N` pixels, in the colours there are.
    fn symbols<const N: usize>(
        self,
        symbols: &Symbols,
        terminal: Traits,
    ) -> (Box<dyn Artist>, (usize, usize)) {
        let palette = match self.color {
            Color::True => None,
            Color::Ansi256 => Some(Palette::ansi256()),
            Color::Ansi16 => Some(Palette::ansi16()),
            Color::Mono => Some(Palette::mono(terminal.is_light)),
        };
        let artist: Box<dyn Artist> = match palette {
            None => Box::new(Colored::<N>::new(symbols, terminal.repeats)),
            Some(palette) if palette.is_fixed() => {
                Box::new(Indexed::<N, 1>::new(symbols, palette, terminal.repeats))
            }
            Some(palette) => Box::new(Indexed::<N, 4>::new(symbols, palette, terminal.repeats)),
        };
        (artist, (symbols.across, symbols.down))
    }
}
