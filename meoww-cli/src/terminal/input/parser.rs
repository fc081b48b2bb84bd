//! Bytes from a terminal to keys, pastes and replies (ECMA-48; xterm's control sequences).
//!
//! One parser for all of them, as they come mixed: a reply may stand between two keys. Everything is
//! bounded, and what is not known is skipped to its end.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{keys, reply::Reply};

/// Longest sequence that is looked at; of a longer one only the end is looked for.
const MAX_SEQUENCE: usize = 64;
/// Longest text of an OSC, DCS or APC that is looked at; of a longer one only the end is looked for.
const MAX_TEXT: usize = 256;
/// Longest paste that is kept, in bytes: far more than a message.
const MAX_PASTE: usize = 64 * 1024;

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;
const PASTE_END: &[u8] = b"\x1b[201~";

/// One input from a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TerminalInput {
    /// A key was pressed; or repeated or let go, where the terminal was told to say so.
    Key(KeyEvent),
    /// Text was pasted.
    Paste {
        /// Of which this is the beginning, with control characters in it.
        text: String,
        /// Whether it went on.
        is_cut: bool,
    },
    /// The answer to a question.
    Reply(Reply),
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Ground,
    /// The first bytes of a character of UTF-8.
    Utf8(Vec<u8>),
    Escape,
    /// After `ESC O`.
    Ss3,
    /// After `ESC [`.
    Csi(Vec<u8>),
    /// A CSI sequence that is too long.
    Skip,
    /// After `ESC [ [`: a function key of the Linux console.
    Console,
    /// OSC, DCS and the like, which end with ST, or with BEL.
    Text(ControlString),
    Paste {
        text: Vec<u8>,
        is_cut: bool,
    },
}

/// Takes bytes as they come, in pieces of any size.
#[derive(Debug, Default)]
pub struct Parser {
    state: State,
    /// Whether an ESC came before the sequence that is read: Alt.
    alt: bool,
}

impl Parser {
    /// Appends to `out` what `bytes` complete.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<TerminalInput>) {
        for byte in bytes {
            self.byte(*byte, out);
        }
    }

    /// Whether an ESC came that may be the Escape key, or begin a sequence.
    pub fn is_undecided(&self) -> bool {
        matches!(self.state, State::Escape)
    }

    /// Whether a sequence began, and is not whole.
    pub fn is_amid_sequence(&self) -> bool {
        match self.state {
            State::Ss3 | State::Csi(_) | State::Skip | State::Console | State::Text(_) => true,
            State::Ground | State::Utf8(_) | State::Escape | State::Paste { .. } => false,
        }
    }

    /// The rest of a sequence does not come: what follows are keys again.
    pub fn abandon_sequence(&mut self) {
        if self.is_amid_sequence() {
            self.state = self.ground_again();
        }
    }

    /// Nothing came for a while: what is undecided is a key.
    pub fn decide(&mut self, out: &mut Vec<TerminalInput>) {
        if self.is_undecided() {
            self.state = State::Ground;
            self.key(KeyCode::Esc, KeyModifiers::NONE, out);
        }
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<TerminalInput>) {
        self.state = match std::mem::take(&mut self.state) {
            State::Ground => self.ground(byte, out),
            State::Utf8(bytes) => self.utf8(bytes, byte, out),
            State::Escape => self.escape(byte, out),
            State::Ss3 => {
                if let Some(code) = keys::ss3(byte) {
                    self.key(code, KeyModifiers::NONE, out);
                }
                self.ground_again()
            }
            State::Csi(bytes) => self.csi(bytes, byte, out),
            State::Console => {
                if let Some(code) = keys::console(byte) {
                    self.key(code, KeyModifiers::NONE, out);
                }
                self.ground_again()
            }
            State::Skip if is_final(byte) => self.ground_again(),
            State::Skip => State::Skip,
            State::Text(string) => self.text(string, byte, out),
            State::Paste { text, is_cut } => self.paste(text, is_cut, byte, out),
        };
    }

    fn ground_again(&mut self) -> State {
        self.alt = false;
        State::Ground
    }

    fn ground(&mut self, byte: u8, out: &mut Vec<TerminalInput>) -> State {
        match byte {
            ESC => State::Escape,
            0x80.. => self.utf8(Vec::new(), byte, out),
            _ => {
                let (code, modifiers) = keys::ascii(byte);
                self.key(code, modifiers, out);
                State::Ground
            }
        }
    }

    fn utf8(&mut self, mut bytes: Vec<u8>, byte: u8, out: &mut Vec<TerminalInput>) -> State {
        bytes.push(byte);
        match std::str::from_utf8(&bytes) {
            Ok(text) => {
                for c in text.chars() {
                    self.key(KeyCode::Char(c), KeyModifiers::NONE, out);
                }
                State::Ground
            }
            Err(error) if error.error_len().is_none() => State::Utf8(bytes),
            // The byte that broke it off begins something else.
            Err(_) if bytes.len() > 1 => {
                self.alt = false;
                self.ground(byte, out)
            }
            Err(_) => self.ground_again(),
        }
    }

    fn escape(&mut self, byte: u8, out: &mut Vec<TerminalInput>) -> State {
        match byte {
            b'[' => State::Csi(Vec::new()),
            b'O' => State::Ss3,
            b']' | b'P' | b'X' | b'^' | b'_' => State::Text(ControlString::new(byte)),
            ESC => {
                self.key(KeyCode::Esc, KeyModifiers::NONE, out);
                State::Escape
            }
            _ => {
                self.alt = true;
                self.ground(byte, out)
            }
        }
    }

    fn csi(&mut self, mut bytes: Vec<u8>, byte: u8, out: &mut Vec<TerminalInput>) -> State {
        match byte {
            b'[' if bytes.is_empty() => return State::Console,
            // It was broken off.
            ESC => return State::Escape,
            _ if bytes.len() == MAX_SEQUENCE => return State::Skip,
            _ => bytes.push(byte),
        }
        if !is_final(byte) {
            return State::Csi(bytes);
        }
        if bytes == b"200~" {
            return State::Paste { text: Vec::new(), is_cut: false };
        }
        let sequence = Sequence::parse(&bytes);
        if let Some(reply) = sequence.as_ref().and_then(Reply::from_sequence) {
            out.push(TerminalInput::Reply(reply));
        } else if let Some(sequence) = sequence
            && let Some((code, modifiers)) = keys::csi(&sequence)
        {
            self.key_event(code, modifiers, keys::kind(&sequence), out);
        }
        self.ground_again()
    }

    fn text(&mut self, mut string: ControlString, byte: u8, out: &mut Vec<TerminalInput>) -> State {
        match byte {
            BEL => {}
            b'\\' if string.is_ending => {}
            // It was broken off, by another sequence or, as no string holds those, by a key.
            _ if string.is_ending => return self.escape(byte, out),
            ESC => {
                string.is_ending = true;
                return State::Text(string);
            }
            0x00..0x20 => {
                self.alt = false;
                return self.ground(byte, out);
            }
            _ => {
                string.push(byte);
                return State::Text(string);
            }
        }
        out.extend(Reply::from_string(string.kind, &string.text).map(TerminalInput::Reply));
        self.ground_again()
    }

    /// Holds the end of the paste, too, until that is whole.
    fn paste(
        &mut self,
        mut text: Vec<u8>,
        mut is_cut: bool,
        byte: u8,
        out: &mut Vec<TerminalInput>,
    ) -> State {
        text.push(byte);
        if text.ends_with(PASTE_END) {
            text.truncate(text.len() - PASTE_END.len());
            if text.len() > MAX_PASTE {
                is_cut = true;
                text.truncate(MAX_PASTE);
            }
            let text = String::from_utf8_lossy(&text).into_owned();
            out.push(TerminalInput::Paste { text, is_cut });
            return self.ground_again();
        }
        // What is over the bound is kept as long as it may be the end.
        if text.len() > MAX_PASTE + PASTE_END.len() {
            text.remove(MAX_PASTE);
            is_cut = true;
        }
        State::Paste { text, is_cut }
    }

    fn key(&mut self, code: KeyCode, modifiers: KeyModifiers, out: &mut Vec<TerminalInput>) {
        self.key_event(code, modifiers, KeyEventKind::Press, out);
    }

    fn key_event(
        &mut self,
        code: KeyCode,
        modifiers: KeyModifiers,
        kind: KeyEventKind,
        out: &mut Vec<TerminalInput>,
    ) {
        let alt = if self.alt { KeyModifiers::ALT } else { KeyModifiers::NONE };
        self.alt = false;
        out.push(TerminalInput::Key(KeyEvent::new_with_kind(code, modifiers | alt, kind)));
    }
}

/// What stands between the introducer of an OSC, DCS or APC and its end.
#[derive(Debug)]
struct ControlString {
    /// The byte after the ESC.
    kind: u8,
    text: Vec<u8>,
    /// Whether an ESC came, which begins ST or breaks it off.
    is_ending: bool,
}

impl ControlString {
    fn new(kind: u8) -> Self {
        Self { kind, text: Vec::new(), is_ending: false }
    }

    /// What is too long is no reply; its text is of no use.
    fn push(&mut self, byte: u8) {
        if self.text.len() <= MAX_TEXT {
            self.text.push(byte);
        }
    }
}

/// ECMA-48, 5.4: the byte that ends a control sequence.
fn is_final(byte: u8) -> bool {
    (0x40..=0x7e).contains(&byte)
}

/// A control sequence without its introducer.
pub(super) struct Sequence {
    /// `?`, `<`, `=` or `>`.
    pub(super) private: Option<u8>,
    /// Numbers; those left out are 0. Of sub-parameters only the first.
    pub(super) parameters: Vec<u16>,
    /// The second sub-parameter of the second parameter, or 0.
    pub(super) event: u16,
    pub(super) intermediate: Option<u8>,
    pub(super) end: u8,
}

impl Sequence {
    /// `None` for what is none.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (end, mut rest) = bytes.split_last()?;
        let private = rest.first().copied().filter(|byte| (b'<'..=b'?').contains(byte));
        rest = &rest[usize::from(private.is_some())..];
        let intermediate = rest.last().copied().filter(|byte| (b' '..=b'/').contains(byte));
        rest = &rest[..rest.len() - usize::from(intermediate.is_some())];
        let number_at = |field: &[u8], index| {
            let digits = field.split(|byte| *byte == b':').nth(index).unwrap_or_default();
            let text = std::str::from_utf8(digits).ok()?;
            if text.is_empty() { Some(0) } else { text.parse().ok() }
        };
        let parameters = match rest {
            [] => Vec::new(),
            _ => rest
                .split(|byte| *byte == b';')
                .map(|field| number_at(field, 0))
                .collect::<Option<_>>()?,
        };
        let second = rest.split(|byte| *byte == b';').nth(1).unwrap_or_default();
        let event = number_at(second, 1)?;
        Some(Self { private, parameters, event, intermediate, end: *end })
    }

    /// Whether it may be a key: those have neither a mark nor an intermediate byte.
    pub(super) fn is_plain(&self) -> bool {
        self.private.is_none() && self.intermediate.is_none()
    }
}

#[cfg(test)]
#[path = "parser_tests.rs"]
mod tests;
