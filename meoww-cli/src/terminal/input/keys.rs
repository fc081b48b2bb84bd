//! The bytes that stand for keys: those of xterm, of the VT220 and of the Linux console, and the
//! `CSI u` of fixterms and kitty.

use crossterm::event::{KeyCode, KeyEventKind, KeyModifiers};

use super::parser::Sequence;

/// One byte below 0x80, other than ESC.
pub(super) fn ascii(byte: u8) -> (KeyCode, KeyModifiers) {
    let control = |c: u8| (KeyCode::Char(char::from(c)), KeyModifiers::CONTROL);
    match byte {
        b'\r' => (KeyCode::Enter, KeyModifiers::NONE),
        b'\t' => (KeyCode::Tab, KeyModifiers::NONE),
        0x7f => (KeyCode::Backspace, KeyModifiers::NONE),
        0 => control(b' '),
        0x01..=0x1a => control(byte - 1 + b'a'),
        0x1b..=0x1f => control(byte - 0x1c + b'4'),
        _ => (KeyCode::Char(char::from(byte)), KeyModifiers::NONE),
    }
}

/// After `ESC O`.
pub(super) fn ss3(byte: u8) -> Option<KeyCode> {
    match byte {
        // Enter of the keypad.
        b'M' => Some(KeyCode::Enter),
        _ => letter(byte),
    }
}

/// After `ESC [ [`.
pub(super) fn console(byte: u8) -> Option<KeyCode> {
    (b'A'..=b'E').contains(&byte).then(|| KeyCode::F(byte - b'A' + 1))
}

/// After `ESC [`.
pub(super) fn csi(sequence: &Sequence) -> Option<(KeyCode, KeyModifiers)> {
    if !sequence.is_plain() {
        return None;
    }
    let parameter = |index: usize| sequence.parameters.get(index).copied();
    let held = modifiers(parameter(1).unwrap_or(0));
    match sequence.end {
        b'~' => Some((numbered(parameter(0)?)?, held)),
        b'u' => Some((unicode(parameter(0)?)?, held)),
        b'Z' => Some((KeyCode::BackTab, KeyModifiers::SHIFT)),
        end => Some((letter(end)?, held)),
    }
}

/// The event type of such a sequence, in kitty's keyboard protocol.
pub(super) fn kind(sequence: &Sequence) -> KeyEventKind {
    match sequence.event {
        2 => KeyEventKind::Repeat,
        3 => KeyEventKind::Release,
        _ => KeyEventKind::Press,
    }
}

fn letter(byte: u8) -> Option<KeyCode> {
    match byte {
        b'A' => Some(KeyCode::Up),
        b'B' => Some(KeyCode::Down),
        b'C' => Some(KeyCode::Right),
        b'D' => Some(KeyCode::Left),
        b'H' => Some(KeyCode::Home),
        b'F' => Some(KeyCode::End),
        b'P'..=b'S' => Some(KeyCode::F(byte - b'P' + 1)),
        _ => None,
    }
}

fn numbered(number: u16) -> Option<KeyCode> {
    let number = u8::try_from(number).ok()?;
    match number {
        1 | 7 => Some(KeyCode::Home),
        2 => Some(KeyCode::Insert),
        3 => Some(KeyCode::Delete),
        4 | 8 => Some(KeyCode::End),
        5 => Some(KeyCode::PageUp),
        6 => Some(KeyCode::PageDown),
        11..=15 => Some(KeyCode::F(number - 10)),
        17..=21 => Some(KeyCode::F(number - 11)),
        23..=24 => Some(KeyCode::F(number - 12)),
        _ => None,
    }
}

fn unicode(number: u16) -> Option<KeyCode> {
    match number {
        13 => Some(KeyCode::Enter),
        9 => Some(KeyCode::Tab),
        27 => Some(KeyCode::Esc),
        127 => Some(KeyCode::Backspace),
        ..32 => None,
        _ => char::from_u32(number.into()).map(KeyCode::Char),
    }
}

/// One more than the sum of Shift 1, Alt 2 and Control 4; what else there is (Super, locks) does not
/// change a key here.
fn modifiers(parameter: u16) -> KeyModifiers {
    let bits = parameter.saturating_sub(1);
    let mut held = KeyModifiers::NONE;
    let all = [(1, KeyModifiers::SHIFT), (2, KeyModifiers::ALT), (4, KeyModifiers::CONTROL)];
    for (bit, modifier) in all {
        if bits & bit != 0 {
            held |= modifier;
        }
    }
    held
}
