//! Two pixels a cell, one over the other (U+2580 and U+2584, block elements).

use super::{About, Symbols};

pub(crate) const ABOUT: About = About {
    name: "half",
    help: "Two pixels a character cell, one over the other",
    needs_unicode: true,
};

pub(crate) const SYMBOLS: Symbols =
    Symbols { across: 1, down: 2, glyph: |mask| [' ', '▀', '▄', '█'][mask] };
