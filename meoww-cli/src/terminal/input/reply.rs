//! Answers of terminals (ECMA-48; xterm's sequences; kitty's graphics and keyboard protocols).

use super::parser::Sequence;

/// Longest name of a terminal that is kept, in characters.
const MAX_NAME: usize = 64;

/// What a terminal answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// DSR 5: it has acted on all that came before the question (`CSI 0 n`).
    Ready,
    /// DA1: what kind of terminal it is (`CSI ? ... c`).
    Attributes {
        /// Whether sixels are among what it can do (4).
        sixel: bool,
    },
    /// DECRPM: how a private mode stands (`CSI ? MODE ; STATE $ y`).
    Mode {
        /// Its number.
        mode: u16,
        /// Whether the terminal knows it and can set it.
        is_known: bool,
    },
    /// The size of a cell in pixels (`CSI 6 ; HEIGHT ; WIDTH t`).
    CellPixels {
        /// Width.
        width: u16,
        /// Height.
        height: u16,
    },
    /// The size of all cells in pixels (`CSI 4 ; HEIGHT ; WIDTH t`).
    ScreenPixels {
        /// Width.
        width: u16,
        /// Height.
        height: u16,
    },
    /// The size of the terminal in cells (`CSI 8 ; ROWS ; COLUMNS t`).
    ScreenCells {
        /// From left to right.
        columns: u16,
        /// From top to bottom.
        rows: u16,
    },
    /// XTSMGRAPHICS: how many colours sixels have at once (`CSI ? 1 ; 0 ; COUNT S`).
    SixelColors(u16),
    /// XTSMGRAPHICS: the largest picture of sixels, in pixels (`CSI ? 2 ; 0 ; WIDTH ; HEIGHT S`).
    SixelSize {
        /// Width.
        width: u16,
        /// Height.
        height: u16,
    },
    /// CPR: where the cursor is, from 1 (`CSI ROW ; COLUMN R`). In the first row it looks like a
    /// function key (`CSI 1 ; MODIFIER R`), and is taken for one.
    Cursor {
        /// Row, at least 2.
        row: u16,
        /// Column.
        column: u16,
    },
    /// XTVERSION: the terminal's name and version (`DCS > | TEXT ST`), in printable ASCII.
    Version(String),
    /// XTGETTCAP: a capability (`DCS 1 + r NAME = VALUE ST`, or `0 + r` for one it does not have).
    Capability {
        /// Its name in terminfo.
        name: String,
        /// Whether the terminal has it.
        is_known: bool,
    },
    /// The colour of the background (`OSC 11 ; rgb:R/G/B ST`).
    Background([u8; 3]),
    /// Which of the keyboard protocol's enhancements are on (`CSI ? FLAGS u`): the terminal knows it.
    Keyboard,
    /// The answer to a command of the graphics protocol (`APC G i=ID ; MESSAGE ST`).
    Graphics {
        /// The picture that was asked about.
        id: u32,
        /// Whether the message is `OK`.
        is_ok: bool,
    },
}

impl Reply {
    /// The reply that a control sequence is, if any.
    pub(super) fn from_sequence(sequence: &Sequence) -> Option<Self> {
        let parameters = sequence.parameters.as_slice();
        match (sequence.private, parameters, sequence.intermediate, sequence.end) {
            (None, [0], None, b'n') => Some(Self::Ready),
            (Some(b'?'), kinds, None, b'c') => {
                Some(Self::Attributes { sixel: kinds.iter().skip(1).any(|kind| *kind == 4) })
            }
            // 1 is set, 2 is reset; 3 and 4 are for good, and 0 is unknown.
            (Some(b'?'), [mode, state], Some(b'$'), b'y') => {
                Some(Self::Mode { mode: *mode, is_known: matches!(state, 1 | 2) })
            }
            (Some(b'?'), [_], None, b'u') => Some(Self::Keyboard),
            (Some(b'?'), [1, 0, count], None, b'S') => Some(Self::SixelColors(*count)),
            (Some(b'?'), [2, 0, width, height], None, b'S') => {
                Some(Self::SixelSize { width: *width, height: *height })
            }
            (None, [6, height, width], None, b't') => {
                Some(Self::CellPixels { width: *width, height: *height })
            }
            (None, [4, height, width], None, b't') => {
                Some(Self::ScreenPixels { width: *width, height: *height })
            }
            (None, [8, rows, columns], None, b't') => {
                Some(Self::ScreenCells { columns: *columns, rows: *rows })
            }
            (None, [row, column], None, b'R') if *row > 1 => {
                Some(Self::Cursor { row: *row, column: *column })
            }
            _ => None,
        }
    }

    /// The reply that the text of an OSC (`]`), DCS (`P`) or APC (`_`) is, if any.
    pub(super) fn from_string(kind: u8, text: &[u8]) -> Option<Self> {
        match kind {
            b']' => background(text.strip_prefix(b"11;rgb:")?).map(Self::Background),
            b'P' => match text {
                [b'>', b'|', name @ ..] => Some(Self::Version(printable(name))),
                [known @ (b'0' | b'1'), b'+', b'r', capability @ ..] => {
                    let name = capability.split(|byte| *byte == b'=').next().unwrap_or_default();
                    Some(Self::Capability { name: hex(name)?, is_known: *known == b'1' })
                }
                _ => None,
            },
            b'_' => {
                let text = std::str::from_utf8(text.strip_prefix(b"G")?).ok()?;
                let (keys, message) = text.split_once(';')?;
                let id = keys.split(',').find_map(|key| key.strip_prefix("i="))?;
                Some(Self::Graphics { id: id.parse().ok()?, is_ok: message == "OK" })
            }
            _ => None,
        }
    }
}

/// Three numbers of one to four hexadecimal digits, each of them the whole scale (XParseColor).
fn background(text: &[u8]) -> Option<[u8; 3]> {
    let mut parts = std::str::from_utf8(text).ok()?.split('/').map(|digits| {
        let is_number = (1..=4).contains(&digits.len()) && !digits.starts_with('+');
        let value = u32::from_str_radix(digits, 16).ok().filter(|_| is_number)?;
        let most = (1u32 << (4 * digits.len())) - 1;
        u8::try_from((value * 255 + most / 2) / most).ok()
    });
    let color = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(color)
}

/// The ASCII text that pairs of hexadecimal digits stand for.
fn hex(digits: &[u8]) -> Option<String> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let is_even = digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit);
    let bytes = digits.chunks(2).map(byte).collect::<Option<Vec<_>>>().filter(|_| is_even)?;
    Some(printable(&bytes))
}

/// What of it can be printed; it comes from a program that may be on another machine.
fn printable(text: &[u8]) -> String {
    let printable = text.iter().filter(|byte| (b' '..=b'~').contains(*byte));
    printable.take(MAX_NAME).map(|byte| char::from(*byte)).collect()
}
