//! Letters, in the cell's colour where there are colours.

use super::About;

pub(crate) const ABOUT: About =
    About { name: "ascii", help: "A letter a character cell", needs_unicode: false };
