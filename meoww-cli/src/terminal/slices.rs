//! Where the bytes for a terminal may be cut, so that other bytes can go between.

const ESC: u8 = 0x1b;

/// Length of the longest beginning of `bytes` that is not longer than `limit` and ends between two
/// characters or sequences; of the first of them where that is longer. All of `bytes` where they end
/// within one.
pub(super) fn cut(bytes: &[u8], limit: usize) -> usize {
    if bytes.len() <= limit {
        return bytes.len();
    }
    let (mut at, mut found) = (0, 0);
    while at < bytes.len() {
        let next = at + length(&bytes[at..]);
        // REP repeats the character before it, which has to be there.
        if !is_repetition(&bytes[next..]) {
            if next > limit && found > 0 {
                break;
            }
            found = next;
            if next > limit {
                break;
            }
        }
        at = next;
    }
    if found == 0 { bytes.len() } else { found }
}

/// Of the character or sequence (ECMA-48) that `bytes` begin with.
fn length(bytes: &[u8]) -> usize {
    let find = |from: usize, is_end: &dyn Fn(usize) -> bool| {
        (from..bytes.len()).find(|at| is_end(*at)).map_or(bytes.len(), |at| at + 1)
    };
    match bytes {
        [ESC, b'[', ..] => find(2, &|at| (0x40..=0x7e).contains(&bytes[at])),
        [ESC, b'P', b't', b'm', b'u', b'x', b';', ..] => passed(bytes),
        [ESC, b'P' | b'_' | b'^' | b'X' | b']', ..] => {
            find(2, &|at| bytes[at] == 0x07 || bytes[at] == b'\\' && bytes[at - 1] == ESC)
        }
        [ESC, ..] => find(1, &|at| !(0x20..=0x2f).contains(&bytes[at])),
        [lead, ..] if *lead >= 0xc0 => {
            let is_part = |byte: &&u8| (0x80..0xc0).contains(*byte);
            1 + bytes[1..].iter().take_while(is_part).count()
        }
        _ => 1,
    }
}

/// Of tmux's passthrough sequence, in which each ESC of what it lets pass is there twice.
fn passed(bytes: &[u8]) -> usize {
    let mut at = 2;
    loop {
        match bytes[at..] {
            [ESC, b'\\', ..] => return at + 2,
            [ESC, ESC, ..] => at += 2,
            [_, ..] => at += 1,
            [] => return at,
        }
    }
}

/// Whether `bytes` begin with REP (`CSI n b`).
fn is_repetition(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x1b[") && bytes[length(bytes) - 1] == b'b'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces(bytes: &[u8], limit: usize) -> Vec<String> {
        let (mut rest, mut pieces) = (bytes, Vec::new());
        while !rest.is_empty() {
            let (piece, next) = rest.split_at(cut(rest, limit));
            pieces.push(String::from_utf8_lossy(piece).into_owned());
            rest = next;
        }
        pieces
    }

    #[test]
    fn nothing_is_cut_in_two() {
        let bytes =
            "\x1b[38;2;1;2;3m▀ab\x1b[5b\x1b7\x1b(B\x1b_Gi=1;x\x1b\\\x1b]0;t\x07c".as_bytes();
        let expected = [
            "\x1b[38;2;1;2;3m",
            "▀",
            "a",
            "b\x1b[5b",
            "\x1b7",
            "\x1b(B",
            "\x1b_Gi=1;x\x1b\\",
            "\x1b]0;t\x07",
            "c",
        ];
        assert_eq!(pieces(bytes, 1), expected);
        assert_eq!(pieces(bytes, 1000).len(), 1);
        assert_eq!(pieces(b"abcdef", 4), ["abcd", "ef"]);
    }

    #[test]
    fn what_tmux_lets_pass_is_not_cut_at_the_end_of_what_is_in_it() {
        let mut bytes = Vec::new();
        meoww_paint::push_passed(b"\x1b_Gi=1;x\x1b\\\x1b]0;t\x07", &mut bytes);
        let length = bytes.len();
        bytes.extend_from_slice(b"ab");
        assert_eq!(cut(&bytes, 1), length);
        assert_eq!(cut(&bytes, length + 1), length + 1);
        assert_eq!(cut(&bytes[..length - 3], 1), length - 3, "it ends within one");
    }

    proptest! {
        #[test]
        fn pieces_are_the_whole(bytes in prop::collection::vec(any::<u8>(), 0..200), limit in 1usize..50) {
            let (mut rest, mut all) = (bytes.as_slice(), Vec::new());
            while !rest.is_empty() {
                let length = cut(rest, limit);
                prop_assert!((1..=rest.len()).contains(&length));
                all.extend_from_slice(&rest[..length]);
                rest = &rest[length..];
            }
            prop_assert_eq!(all, bytes);
        }
    }
}
