//! Commands of kitty's graphics protocol: `APC G CONTROL ; PAYLOAD ST`.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::passthrough::push_passed;

/// Longest payload of a command, in base64; a longer one goes in several.
const LONGEST: usize = 4096;

/// A command with what is sent along.
pub(super) struct Command<'a> {
    control: &'a str,
    payload: &'a [u8],
}

impl<'a> Command<'a> {
    pub(super) fn new(control: &'a str) -> Self {
        Self { control, payload: &[] }
    }

    pub(super) fn payload(self, payload: &'a [u8]) -> Self {
        Self { payload, ..self }
    }

    /// Appends it.
    pub(super) fn push(self, in_tmux: bool, out: &mut Vec<u8>) {
        let payload = STANDARD.encode(self.payload);
        let mut parts = payload.as_bytes().chunks(LONGEST);
        let (first, mut left) = (parts.next().unwrap_or_default(), parts.len());
        let more = if left > 0 { ",m=1" } else { "" };
        part(&format!("{}{more}", self.control), first, in_tmux, out);
        // Each part of a change says so, and of which frame (older versions of kitty need that).
        let kind = if self.control.starts_with("a=f,") { "a=f,r=1," } else { "" };
        for payload in parts {
            left -= 1;
            part(&format!("{kind}q=2,m={}", u8::from(left > 0)), payload, in_tmux, out);
        }
    }
}

fn part(control: &str, payload: &[u8], in_tmux: bool, out: &mut Vec<u8>) {
    let pieces: [&[u8]; 5] = [b"\x1b_G", control.as_bytes(), b";", payload, b"\x1b\\"];
    let pieces = pieces.into_iter().filter(|piece| *piece != b";" || !payload.is_empty());
    if in_tmux {
        push_passed(&pieces.collect::<Vec<_>>().concat(), out);
    } else {
        pieces.for_each(|piece| out.extend_from_slice(piece));
    }
}
