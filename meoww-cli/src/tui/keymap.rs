//! Keys, and what they stand for.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The next stranger.
    Next,
    /// End the program.
    Quit,
    /// Help, or no more of it.
    ToggleHelp,
    /// One's own picture.
    ToggleSelf,
    /// The chat.
    ToggleChat,
    /// The camera.
    ToggleCamera,
    /// Sound.
    Sound(SoundKey),
    /// Show the stranger clearly now.
    Clear,
    /// Go direct, without the relay, if the stranger agrees.
    GoDirect,
    /// Everything off, out of the call.
    Panic,
    /// Never meet this stranger again.
    Block,
    /// Report this stranger.
    Report,
    /// Out of help or of a report, or empty the line.
    Escape,
    /// Draw everything anew.
    Redraw,
    /// Stop until the shell continues the program.
    Suspend,
    /// The chat, a page up.
    PageUp,
    /// The chat, a page down.
    PageDown,
    /// Change the line.
    Edit(Edit),
}

/// A key of sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SoundKey {
    /// The microphone: on or off, or on while the key is held.
    Microphone,
    /// The key of the microphone was let go.
    MicrophoneReleased,
    /// Hear the partner or not.
    Hearing,
    /// Hear the partner louder.
    Louder,
    /// Hear the partner softer.
    Softer,
}

/// A change of the line one types into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// Type.
    Insert(char),
    /// Say it.
    Submit,
    /// Delete to the left.
    Backspace,
    /// Delete to the right.
    Delete,
    /// Delete the word to the left.
    DeleteWord,
    /// Delete all to the left.
    DeleteToStart,
    /// Delete all to the right.
    DeleteToEnd,
    /// Move.
    Left,
    /// Move.
    Right,
    /// Move to the start.
    Home,
    /// Move to the end.
    End,
}

/// The keys as help shows them; the last six do not fit the smallest screen.
pub const HELP: [(&str, &str); 15] = [
    ("Ctrl-N", "next stranger"),
    ("F12 Ctrl-P", "all off, out of the call"),
    ("Ctrl-C", "quit"),
    ("F1 Ctrl-G", "this help"),
    ("F2 F3", "your own picture, chat"),
    ("F4 Ctrl-O", "camera on, off"),
    ("F5 Ctrl-X", "block them for good"),
    ("F6 Ctrl-R", "report this stranger"),
    ("F7 Ctrl-S", "microphone on, off"),
    ("Enter", "send what you typed"),
    ("F8 Up Down", "mute them; louder, softer"),
    ("F9", "see them clearly now"),
    ("F10", "direct: they see your address"),
    ("PgUp PgDn", "scroll the chat"),
    ("Esc Ctrl-L", "close help, draw all anew"),
];

/// What `key` stands for; `None` for a key without meaning, and for most when they are let go.
pub fn action(key: KeyEvent) -> Option<Action> {
    match key.kind {
        KeyEventKind::Press => pressed(key),
        // A key that is held down says nothing anew where a second press has another meaning.
        KeyEventKind::Repeat => pressed(key).filter(|action| !is_asked(*action)),
        KeyEventKind::Release => match pressed(key) {
            Some(Action::Sound(SoundKey::Microphone)) => sound(SoundKey::MicrophoneReleased),
            Some(_) | None => None,
        },
    }
}

fn is_asked(action: Action) -> bool {
    matches!(action, Action::Block | Action::GoDirect)
}

fn sound(key: SoundKey) -> Option<Action> {
    Some(Action::Sound(key))
}

fn pressed(key: KeyEvent) -> Option<Action> {
    if key.modifiers.contains(KeyModifiers::CONTROL) && !key.modifiers.contains(KeyModifiers::ALT) {
        return control(key.code);
    }
    let edit = |edit| Some(Action::Edit(edit));
    match key.code {
        KeyCode::F(1) => Some(Action::ToggleHelp),
        KeyCode::F(2) => Some(Action::ToggleSelf),
        KeyCode::F(3) => Some(Action::ToggleChat),
        KeyCode::F(4) => Some(Action::ToggleCamera),
        KeyCode::F(5) => Some(Action::Block),
        KeyCode::F(6) => Some(Action::Report),
        KeyCode::F(7) => sound(SoundKey::Microphone),
        KeyCode::F(8) => sound(SoundKey::Hearing),
        KeyCode::F(9) => Some(Action::Clear),
        KeyCode::F(10) => Some(Action::GoDirect),
        KeyCode::F(12) => Some(Action::Panic),
        KeyCode::Up => sound(SoundKey::Louder),
        KeyCode::Down => sound(SoundKey::Softer),
        KeyCode::Esc => Some(Action::Escape),
        KeyCode::PageUp => Some(Action::PageUp),
        KeyCode::PageDown => Some(Action::PageDown),
        KeyCode::Enter => edit(Edit::Submit),
        KeyCode::Backspace => edit(Edit::Backspace),
        KeyCode::Delete => edit(Edit::Delete),
        KeyCode::Left => edit(Edit::Left),
        KeyCode::Right => edit(Edit::Right),
        KeyCode::Home => edit(Edit::Home),
        KeyCode::End => edit(Edit::End),
        KeyCode::Char(c) if types(c, key.modifiers) => edit(Edit::Insert(c)),
        _ => None,
    }
}

/// AltGr types characters too, and some terminals report it as Ctrl and Alt; but a letter with these
/// is a key pressed right after Esc.
fn types(c: char, modifiers: KeyModifiers) -> bool {
    let alt_gr = modifiers.contains(KeyModifiers::CONTROL | KeyModifiers::ALT);
    !modifiers.contains(KeyModifiers::ALT) || alt_gr && !c.is_ascii_alphanumeric()
}

/// Keys of a line editor (readline's emacs mode) edit, and those of the call are none of them, nor the
/// prefix of tmux (Ctrl-B) or screen (Ctrl-A): one pressed by habit changes no call.
fn control(code: KeyCode) -> Option<Action> {
    let KeyCode::Char(c) = code else { return None };
    match c.to_ascii_lowercase() {
        'n' => Some(Action::Next),
        'c' | 'q' => Some(Action::Quit),
        'g' => Some(Action::ToggleHelp),
        'p' => Some(Action::Panic),
        'o' => Some(Action::ToggleCamera),
        'x' => Some(Action::Block),
        'r' => Some(Action::Report),
        's' => sound(SoundKey::Microphone),
        'l' => Some(Action::Redraw),
        'z' => Some(Action::Suspend),
        'u' => Some(Action::Edit(Edit::DeleteToStart)),
        'k' => Some(Action::Edit(Edit::DeleteToEnd)),
        'w' => Some(Action::Edit(Edit::DeleteWord)),
        'a' => Some(Action::Edit(Edit::Home)),
        'e' => Some(Action::Edit(Edit::End)),
        'b' => Some(Action::Edit(Edit::Left)),
        'f' => Some(Action::Edit(Edit::Right)),
        'd' => Some(Action::Edit(Edit::Delete)),
        // What the backspace key of some terminals sends.
        'h' => Some(Action::Edit(Edit::Backspace)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(code: KeyCode, modifiers: KeyModifiers) -> Option<Action> {
        action(KeyEvent::new(code, modifiers))
    }

    #[test]
    fn every_key_has_its_meaning() {
        use super::{Action::*, Edit::*, KeyCode as Key, SoundKey::*};
        let plain = [
            (Key::F(1), ToggleHelp),
            (Key::F(2), ToggleSelf),
            (Key::F(3), ToggleChat),
            (Key::F(4), ToggleCamera),
            (Key::F(5), Block),
            (Key::F(6), Report),
            (Key::F(7), Sound(Microphone)),
            (Key::F(8), Sound(Hearing)),
            (Key::F(9), Clear),
            (Key::F(10), GoDirect),
            (Key::F(12), Panic),
            (Key::Up, Sound(Louder)),
            (Key::Down, Sound(Softer)),
            (Key::Esc, Escape),
            (Key::PageUp, PageUp),
            (Key::PageDown, PageDown),
            (Key::Enter, Edit(Submit)),
            (Key::Backspace, Edit(Backspace)),
            (Key::Delete, Edit(Delete)),
            (Key::Left, Edit(Left)),
            (Key::Right, Edit(Right)),
            (Key::Home, Edit(Home)),
            (Key::End, Edit(End)),
            (Key::Char('n'), Edit(Insert('n'))),
            (Key::Char('?'), Edit(Insert('?'))),
        ];
        for (key, action) in plain {
            assert_eq!(press(key, KeyModifiers::NONE), Some(action), "{key:?}");
        }
        let control = [
            ('n', Next),
            ('c', Quit),
            ('q', Quit),
            ('g', ToggleHelp),
            ('p', Panic),
            ('o', ToggleCamera),
            ('x', Block),
            ('r', Report),
            ('s', Sound(Microphone)),
            ('l', Redraw),
            ('z', Suspend),
            ('u', Edit(DeleteToStart)),
            ('k', Edit(DeleteToEnd)),
            ('w', Edit(DeleteWord)),
            ('a', Edit(Home)),
            ('e', Edit(End)),
            ('b', Edit(Left)),
            ('f', Edit(Right)),
            ('d', Edit(Delete)),
            ('h', Edit(Backspace)),
        ];
        for (key, action) in control {
            assert_eq!(press(Key::Char(key), KeyModifiers::CONTROL), Some(action), "Ctrl-{key}");
        }
    }

    #[test]
    fn other_keys_do_nothing() {
        assert_eq!(press(KeyCode::F(11), KeyModifiers::NONE), None);
        assert_eq!(press(KeyCode::Char('v'), KeyModifiers::CONTROL), None);
        assert_eq!(press(KeyCode::Char('n'), KeyModifiers::ALT), None);
        let mut released = KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE);
        released.kind = KeyEventKind::Release;
        assert_eq!(action(released), None);
        for (code, repeated) in
            [(KeyCode::F(5), None), (KeyCode::Left, Some(Action::Edit(Edit::Left)))]
        {
            let mut held = KeyEvent::new(code, KeyModifiers::NONE);
            held.kind = KeyEventKind::Repeat;
            assert_eq!(action(held), repeated, "{code:?}");
        }
        released.code = KeyCode::F(7);
        assert_eq!(action(released), Some(Action::Sound(SoundKey::MicrophoneReleased)));
    }

    #[test]
    fn alt_gr_types() {
        let alt_gr = KeyModifiers::CONTROL | KeyModifiers::ALT;
        assert_eq!(press(KeyCode::Char('@'), alt_gr), Some(Action::Edit(Edit::Insert('@'))));
        assert_eq!(press(KeyCode::Char('n'), alt_gr), None);
    }
}
