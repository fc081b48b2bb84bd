//! Unicode placeholders: cells of text that a terminal shows parts of a picture in (kitty's graphics
//! protocol, "Unicode placeholders"). A program around this one, such as tmux, moves and covers them as
//! any other text.

use crate::{ground::Cell, motion::control, pixels::Picture};

/// The character of each cell. The diacritics after it say which row and column of the picture.
const PLACEHOLDER: char = '\u{10EEEE}';

/// Rows and columns that can be told.
pub(super) const MOST: u16 = 297;

/// The diacritics that stand for 0 and up: the first of a range, and how many it has.
const RANGES: [(u32, u32); 86] = [
    (0x305, 1),
    (0x30D, 2),
    (0x310, 1),
    (0x312, 1),
    (0x33D, 3),
    (0x346, 1),
    (0x34A, 3),
    (0x350, 3),
    (0x357, 1),
    (0x35B, 1),
    (0x363, 13),
    (0x483, 5),
    (0x592, 4),
    (0x597, 3),
    (0x59C, 6),
    (0x5A8, 2),
    (0x5AB, 2),
    (0x5AF, 1),
    (0x5C4, 1),
    (0x610, 8),
    (0x657, 5),
    (0x65D, 2),
    (0x6D6, 7),
    (0x6DF, 4),
    (0x6E4, 1),
    (0x6E7, 2),
    (0x6EB, 2),
    (0x730, 1),
    (0x732, 2),
    (0x735, 2),
    (0x73A, 1),
    (0x73D, 1),
    (0x73F, 3),
    (0x743, 1),
    (0x745, 1),
    (0x747, 1),
    (0x749, 2),
    (0x7EB, 7),
    (0x7F3, 1),
    (0x816, 4),
    (0x81B, 9),
    (0x825, 3),
    (0x829, 5),
    (0x951, 1),
    (0x953, 2),
    (0xF82, 2),
    (0xF86, 2),
    (0x135D, 3),
    (0x17DD, 1),
    (0x193A, 1),
    (0x1A17, 1),
    (0x1A75, 8),
    (0x1B6B, 1),
    (0x1B6D, 7),
    (0x1CD0, 3),
    (0x1CDA, 2),
    (0x1CE0, 1),
    (0x1DC0, 2),
    (0x1DC3, 7),
    (0x1DCB, 2),
    (0x1DD1, 22),
    (0x1DFE, 1),
    (0x20D0, 2),
    (0x20D4, 4),
    (0x20DB, 2),
    (0x20E1, 1),
    (0x20E7, 1),
    (0x20E9, 1),
    (0x20F0, 1),
    (0x2CEF, 3),
    (0x2DE0, 32),
    (0xA66F, 1),
    (0xA67C, 2),
    (0xA6F0, 2),
    (0xA8E0, 18),
    (0xAAB0, 1),
    (0xAAB2, 2),
    (0xAAB7, 2),
    (0xAABE, 2),
    (0xAAC1, 1),
    (0xFE20, 7),
    (0x10A0F, 1),
    (0x10A38, 1),
    (0x1D185, 5),
    (0x1D1AA, 4),
    (0x1D242, 3),
];

/// Appends the cells that show the picture of this number, as far as they are not drawn.
pub(super) fn draw(picture: &mut Picture<'_>, id: u32, out: &mut Vec<u8>) {
    let (place, mut next) = (picture.place, None);
    for y in 0..place.height {
        for x in 0..place.width {
            if picture.cells[usize::from(y) * picture.stride + usize::from(x)] != Cell::Unknown {
                continue;
            }
            if next.is_none() {
                // The colour says which picture.
                control(&[38, 2, id >> 16 & 0xff, id >> 8 & 0xff, id & 0xff], b'm', out);
            }
            if next != Some((x, y)) {
                control(&[place.y + y + 1, place.x + x + 1].map(u32::from), b'H', out);
            }
            let characters = [Some(PLACEHOLDER), diacritic(y), diacritic(x)];
            for character in characters.into_iter().flatten() {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            next = Some((x + 1, y));
        }
    }
    if next.is_some() {
        control(&[], b'm', out);
    }
}

fn diacritic(number: u16) -> Option<char> {
    let mut left = u32::from(number);
    for (first, count) in RANGES {
        if left < count {
            return char::from_u32(first + left);
        }
        left -= count;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From kitty's `rowcolumn-diacritics.txt`, counted from 0.
    #[test]
    fn numbers_are_their_published_diacritics() {
        let expected = [
            (0, '\u{305}'),
            (1, '\u{30D}'),
            (2, '\u{30E}'),
            (3, '\u{310}'),
            (17, '\u{363}'),
            (MOST - 1, '\u{1D244}'),
        ];
        for (number, character) in expected {
            assert_eq!(diacritic(number), Some(character), "{number}");
        }
        assert_eq!(diacritic(MOST), None);
    }
}
