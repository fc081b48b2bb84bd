//! JSON as JavaScript writes it.

use serde::de::DeserializeOwned;

/// Reads JSON whose strings may hold half of a surrogate pair, as JavaScript writes them where it
/// cut through an emoji (`"\ud83d"`; RFC 8259, 8.2). Each half reads as U+FFFD.
pub fn from_str<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    serde_json::from_str(text).or_else(|error| match without_halves(text) {
        Some(text) => serde_json::from_str(&text),
        None => Err(error),
    })
}

/// The text with the escapes of halves replaced; `None` if there are none.
fn without_halves(text: &str) -> Option<String> {
    let mut mended: Option<Vec<u8>> = None;
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        at += match (bytes[at], escaped_unit(bytes, at)) {
            (_, Some(0xd800..0xdc00)) if is_second_half(bytes, at + 6) => 12,
            (_, Some(0xd800..0xe000)) => {
                let mended = mended.get_or_insert_with(|| bytes.to_vec());
                mended[at..at + 6].copy_from_slice(br"\ufffd");
                6
            }
            (b'\\', None) => 2,
            (_, Some(_) | None) => 1,
        };
    }
    mended.and_then(|bytes| String::from_utf8(bytes).ok())
}

fn is_second_half(bytes: &[u8], at: usize) -> bool {
    matches!(escaped_unit(bytes, at), Some(0xdc00..0xe000))
}

/// The unit of UTF-16 that is escaped as `\uXXXX` here, if one is.
fn escaped_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let escape = bytes.get(at..at + 6)?.strip_prefix(br"\u")?;
    let digits = escape.iter().all(u8::is_ascii_hexdigit).then_some(escape)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_an_emoji_reads_as_the_replacement_character() {
        for (json, read) in [
            (r#""miao \ud83d""#, "miao \u{fffd}"),
            (r#""\ude3a miao""#, "\u{fffd} miao"),
            (r#""\uDE3A\uD83D""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\ude3a""#, "\u{1f63a}"),
            (r#""\ud83d\ud83d\ude3a""#, "\u{fffd}\u{1f63a}"),
            (r#""\\ud83d""#, r"\ud83d"),
            (r#""\\\ud83d\n\ud83d""#, "\\\u{fffd}\n\u{fffd}"),
        ] {
            assert_eq!(from_str::<String>(json).expect("JSON"), read, "{json}");
        }
    }

    #[test]
    fn what_else_is_wrong_stays_wrong() {
        for json in [r#""\ud83d"#, r#""\ud8""#, r#""\ud83d" x"#, r#"{"\ud83d"}"#, r#""\"#, ""] {
            assert!(from_str::<serde_json::Value>(json).is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn strings_read_as_utf_16_does(units in prop::collection::vec(
            prop_oneof![any::<u16>(), 0xd800..0xe000_u16, 0..0x80_u16], 0..20,
        )) {
            let escapes: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let read: String = from_str(&format!("\"{escapes}\"")).expect("JSON");
            prop_assert_eq!(read, String::from_utf16_lossy(&units));
        }

        #[test]
        fn no_text_is_too_odd(text in r#"[\\u"dD83fé]{0,30}"#) {
            let _ = from_str::<String>(&text);
        }
    }
}
