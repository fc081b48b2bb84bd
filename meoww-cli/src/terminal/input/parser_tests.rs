use proptest::prelude::*;

use super::*;

fn parse(bytes: &[u8]) -> Vec<TerminalInput> {
    let (mut parser, mut out) = (Parser::default(), Vec::new());
    parser.feed(bytes, &mut out);
    parser.decide(&mut out);
    out
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> TerminalInput {
    TerminalInput::Key(KeyEvent::new(code, modifiers))
}

fn plain(code: KeyCode) -> TerminalInput {
    key(code, KeyModifiers::NONE)
}

#[test]
fn keys_of_xterm_and_others() {
    // ctlseqs.ms of xterm, console_codes(4), and the manual of the VT220.
    let keys: [(&[u8], KeyCode); 24] = [
        (b"a", KeyCode::Char('a')),
        ("ß".as_bytes(), KeyCode::Char('ß')),
        ("🐱".as_bytes(), KeyCode::Char('🐱')),
        (b"\r", KeyCode::Enter),
        (b"\t", KeyCode::Tab),
        (b"\x7f", KeyCode::Backspace),
        (b"\x1b", KeyCode::Esc),
        (b"\x1b[A", KeyCode::Up),
        (b"\x1bOB", KeyCode::Down),
        (b"\x1b[H", KeyCode::Home),
        (b"\x1bOF", KeyCode::End),
        (b"\x1b[1~", KeyCode::Home),
        (b"\x1b[4~", KeyCode::End),
        (b"\x1b[3~", KeyCode::Delete),
        (b"\x1b[5~", KeyCode::PageUp),
        (b"\x1b[6~", KeyCode::PageDown),
        (b"\x1bOP", KeyCode::F(1)),
        (b"\x1bOS", KeyCode::F(4)),
        (b"\x1b[11~", KeyCode::F(1)),
        (b"\x1b[15~", KeyCode::F(5)),
        (b"\x1b[17~", KeyCode::F(6)),
        (b"\x1b[24~", KeyCode::F(12)),
        (b"\x1b[[A", KeyCode::F(1)),
        (b"\x1b[27u", KeyCode::Esc),
    ];
    for (bytes, code) in keys {
        assert_eq!(parse(bytes), [plain(code)], "{:?}", String::from_utf8_lossy(bytes));
    }
}

/// Event types of kitty's keyboard protocol, for keys of each form.
#[test]
fn keys_that_are_let_go_say_so() {
    use KeyEventKind::{Press, Release, Repeat};
    let keys: [(&[u8], KeyCode, KeyModifiers, KeyEventKind); 6] = [
        (b"\x1b[18;1:1~", KeyCode::F(7), KeyModifiers::NONE, Press),
        (b"\x1b[18;1:2~", KeyCode::F(7), KeyModifiers::NONE, Repeat),
        (b"\x1b[18;1:3~", KeyCode::F(7), KeyModifiers::NONE, Release),
        (b"\x1b[1;1:3B", KeyCode::Down, KeyModifiers::NONE, Release),
        (b"\x1b[115;5:3u", KeyCode::Char('s'), KeyModifiers::CONTROL, Release),
        (b"\x1b[97;:3u", KeyCode::Char('a'), KeyModifiers::NONE, Release),
    ];
    for (bytes, code, modifiers, kind) in keys {
        let expected = TerminalInput::Key(KeyEvent::new_with_kind(code, modifiers, kind));
        assert_eq!(parse(bytes), [expected], "{:?}", String::from_utf8_lossy(bytes));
    }
    assert_eq!(parse(b"\x1b[?2u"), [TerminalInput::Reply(Reply::Keyboard)]);
}

#[test]
fn modifiers_are_seen() {
    let keys: [(&[u8], KeyCode, KeyModifiers); 7] = [
        (b"\x0e", KeyCode::Char('n'), KeyModifiers::CONTROL),
        (b"\x1a", KeyCode::Char('z'), KeyModifiers::CONTROL),
        (b"\x1bx", KeyCode::Char('x'), KeyModifiers::ALT),
        (b"\x1b[1;5C", KeyCode::Right, KeyModifiers::CONTROL),
        (b"\x1b[3;2~", KeyCode::Delete, KeyModifiers::SHIFT),
        (b"\x1b[110;5u", KeyCode::Char('n'), KeyModifiers::CONTROL),
        (b"\x1b[Z", KeyCode::BackTab, KeyModifiers::SHIFT),
    ];
    for (bytes, code, modifiers) in keys {
        assert_eq!(parse(bytes), [key(code, modifiers)], "{:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn replies_stand_between_keys() {
    let bytes = b"a\x1b[0n\x1b[?62;4;22cb\x1b[?2026;2$y\x1b[6;20;10t\x1b[4;480;800t\x1b[?2026;0$y\
        \x1b[?1;0;256S\x1b[?2;0;1000;800S\x1b[?1;3;0S";
    assert_eq!(
        parse(bytes),
        [
            plain(KeyCode::Char('a')),
            TerminalInput::Reply(Reply::Ready),
            TerminalInput::Reply(Reply::Attributes { sixel: true }),
            plain(KeyCode::Char('b')),
            TerminalInput::Reply(Reply::Mode { mode: 2026, is_known: true }),
            TerminalInput::Reply(Reply::CellPixels { width: 10, height: 20 }),
            TerminalInput::Reply(Reply::ScreenPixels { width: 800, height: 480 }),
            TerminalInput::Reply(Reply::Mode { mode: 2026, is_known: false }),
            TerminalInput::Reply(Reply::SixelColors(256)),
            TerminalInput::Reply(Reply::SixelSize { width: 1000, height: 800 }),
        ]
    );
}

#[test]
fn terminals_say_who_they_are_and_what_they_can_do() {
    // Answers of foot 1.16, kitty 0.32, xterm 390 and tmux 3.4 to the questions of `probe`.
    let replies: [(&[u8], Reply); 10] = [
        (b"\x1bP>|foot(1.16.2)\x1b\\", Reply::Version("foot(1.16.2)".to_owned())),
        (b"\x1b[?62;22c", Reply::Attributes { sixel: false }),
        (b"\x1b[?1;2;4c", Reply::Attributes { sixel: true }),
        (b"\x1b[?4c", Reply::Attributes { sixel: false }),
        (
            b"\x1bP1+r524742=382F382F38\x1b\\",
            Reply::Capability { name: "RGB".to_owned(), is_known: true },
        ),
        (b"\x1bP0+r524742\x1b\\", Reply::Capability { name: "RGB".to_owned(), is_known: false }),
        (b"\x1b]11;rgb:1e1e/8080/ffff\x1b\\", Reply::Background([0x1e, 0x80, 0xff])),
        (b"\x1b]11;rgb:f/0/8\x07", Reply::Background([255, 0, 136])),
        (b"\x1b_Gi=31;OK\x1b\\", Reply::Graphics { id: 31, is_ok: true }),
        (b"\x1b_Gi=31;ENODATA:Short\x1b\\", Reply::Graphics { id: 31, is_ok: false }),
    ];
    for (bytes, reply) in replies {
        assert_eq!(parse(bytes), [TerminalInput::Reply(reply)], "{bytes:?}");
    }
    let size = Reply::ScreenCells { columns: 80, rows: 24 };
    assert_eq!(parse(b"\x1b[8;24;80t"), [TerminalInput::Reply(size)]);
    assert_eq!(
        parse(b"\x1b[2;3R\x1b[1;5R"),
        [
            TerminalInput::Reply(Reply::Cursor { row: 2, column: 3 }),
            key(KeyCode::F(3), KeyModifiers::CONTROL),
        ]
    );
}

#[test]
fn a_reply_that_is_not_whole_holds_up_no_key() {
    // Broken off by another sequence, by a control key, and by silence.
    assert_eq!(parse(b"\x1b]11;rgb:00\x1b[5~"), [plain(KeyCode::PageUp)]);
    assert_eq!(parse(b"\x1b_Gi=31\x03"), [key(KeyCode::Char('c'), KeyModifiers::CONTROL)]);
    for broken in [&b"\x1b]11;rgb"[..], b"\x1bP>|fo", b"\x1b[?62;", b"\x1b[1"] {
        let (mut parser, mut out) = (Parser::default(), Vec::new());
        parser.feed(broken, &mut out);
        assert!(parser.is_amid_sequence());
        parser.abandon_sequence();
        parser.feed(b"x", &mut out);
        assert_eq!(out, [plain(KeyCode::Char('x'))]);
    }
}

#[test]
fn pastes_are_whole_and_bounded() {
    let paste = |text: &str, is_cut| TerminalInput::Paste { text: text.to_owned(), is_cut };
    assert_eq!(
        parse(b"\x1b[200~two\rlines \x1b[31m\x1b[201~x"),
        [paste("two\rlines \x1b[31m", false), plain(KeyCode::Char('x'))]
    );
    for (length, is_cut) in [(MAX_PASTE, false), (MAX_PASTE + 1, true), (3 * MAX_PASTE, true)] {
        let long = "y".repeat(length);
        let bytes = format!("\x1b[200~{long}\x1b[201~x");
        let kept = &long[..length.min(MAX_PASTE)];
        assert_eq!(parse(bytes.as_bytes()), [paste(kept, is_cut), plain(KeyCode::Char('x'))]);
    }
}

#[test]
fn what_is_unknown_is_skipped_to_its_end() {
    let unknown: [&[u8]; 9] = [
        b"\x1b]11;rgb:0000/0000\x1b\\",
        b"\x1b]0;title\x07",
        b"\x1bP1$r0m\x1b\\",
        b"\x1b_Gi=-1;OK\x1b\\",
        b"\x1bXany\x9b\x90text\x1b\\",
        b"\x1b[<0;1;1M",
        b"\x1b[I",
        b"\x1b[99999999;1~",
        b"\x80\xc3",
    ];
    for bytes in unknown {
        let mut bytes = bytes.to_vec();
        bytes.push(b'z');
        assert_eq!(parse(&bytes), [plain(KeyCode::Char('z'))], "{bytes:?}");
    }
    let long = format!("\x1b[{}mz", "1;".repeat(500));
    assert_eq!(parse(long.as_bytes()), [plain(KeyCode::Char('z'))]);
}

#[test]
fn an_escape_waits_for_what_may_follow() {
    let (mut parser, mut out) = (Parser::default(), Vec::new());
    parser.feed(b"\x1b", &mut out);
    assert!(parser.is_undecided() && out.is_empty());
    parser.feed(b"[5~", &mut out);
    assert!(!parser.is_undecided());
    assert_eq!(out, [plain(KeyCode::PageUp)]);
    assert_eq!(parse(b"\x1b\x1b[A"), [plain(KeyCode::Esc), plain(KeyCode::Up)]);
}

/// Bytes thick with the beginnings of sequences.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            &b"\x1b"[..],
            b"\x1b[",
            b"\x1bO",
            b"\x1b]",
            b"\x1b[200~",
            b"\x1b[201~",
            b"\x1b[0n",
            b"\x1b[6;1;2t",
            b";",
            b"\x1b\\",
            b"?",
            "é".as_bytes(),
        ])
        .prop_map(<[u8]>::to_vec),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// A whole reply of any kind, and of anything in its place.
fn reply() -> impl Strategy<Value = Vec<u8>> {
    let number = || any::<u16>();
    let text = || prop::collection::vec(0x20u8..=0xff, 0..400);
    let string = |kind: &'static [u8], end: &'static [u8]| {
        text().prop_map(move |text| [kind, text.as_slice(), end].concat())
    };
    prop_oneof![
        Just(b"\x1b[0n".to_vec()),
        Just(b"\x1b[3n".to_vec()),
        prop::collection::vec(number(), 0..9).prop_map(|kinds| {
            let kinds: Vec<_> = kinds.iter().map(u16::to_string).collect();
            format!("\x1b[?{}c", kinds.join(";")).into_bytes()
        }),
        (number(), number()).prop_map(|(a, b)| format!("\x1b[?{a};{b}$y").into_bytes()),
        (number(), number(), number())
            .prop_map(|(a, b, c)| format!("\x1b[{a};{b};{c}t").into_bytes()),
        (2u16.., number()).prop_map(|(row, column)| format!("\x1b[{row};{column}R").into_bytes()),
        string(b"\x1b]11;", b"\x1b\\"),
        string(b"\x1b]11;rgb:", b"\x07"),
        string(b"\x1bP>|", b"\x1b\\"),
        string(b"\x1bP1+r", b"\x1b\\"),
        string(b"\x1bP", b"\x1b\\"),
        string(b"\x1b_Gi=31;", b"\x1b\\"),
        string(b"\x1b_", b"\x1b\\"),
    ]
}

proptest! {
    #[test]
    fn a_reply_is_never_a_key(
        replies in prop::collection::vec(reply(), 1..6), cuts in prop::collection::vec(1usize..9, 1..9),
    ) {
        let (mut parser, mut out) = (Parser::default(), Vec::new());
        let (bytes, mut cuts) = (replies.concat(), cuts.iter().cycle());
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (piece, next) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            parser.feed(piece, &mut out);
            rest = next;
        }
        let is_reply = |input: &TerminalInput| matches!(input, TerminalInput::Reply(_));
        prop_assert!(out.iter().all(is_reply) && !parser.is_amid_sequence(), "{:?}", out);
    }

    #[test]
    fn pieces_of_any_size_mean_the_same(bytes in bytes(), cuts in prop::collection::vec(0usize..9, 1..9)) {
        let (mut parser, mut out, mut rest) = (Parser::default(), Vec::new(), bytes.as_slice());
        for cut in cuts.iter().cycle().take(1000) {
            let (piece, next) = rest.split_at((*cut).min(rest.len()));
            parser.feed(piece, &mut out);
            rest = next;
        }
        parser.feed(rest, &mut out);
        parser.decide(&mut out);
        prop_assert_eq!(out, parse(&bytes));
    }

    #[test]
    fn it_always_comes_back(mut bytes in bytes()) {
        // The end of a paste and of a string, and of a sequence: then a key is a key again.
        bytes.extend(b"\x1b[201~\x1b\\mmz");
        let parsed = parse(&bytes);
        prop_assert_eq!(parsed.last(), Some(&plain(KeyCode::Char('z'))));
    }
}
