//! Input from a terminal: keys, pastes and replies, the same in pieces of any size as at once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meoww_cli::terminal::input::{Parser, TerminalInput};

fn parse<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<TerminalInput> {
    let (mut parser, mut found) = (Parser::default(), Vec::new());
    pieces.for_each(|piece| parser.feed(piece, &mut found));
    parser.decide(&mut found);
    found
}

fuzz_target!(|bytes: &[u8]| {
    let at_once = parse(std::iter::once(bytes));
    assert_eq!(parse(bytes.chunks(3)), at_once);
    assert!(at_once.len() <= 4 * bytes.len());
    for input in at_once {
        if let TerminalInput::Paste { text, .. } = input {
            // Each invalid byte becomes a character of three.
            assert!(text.len() <= 3 * 64 * 1024);
        }
    }
});
