//! Text of strangers: nothing a terminal would act on is left of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meoww_cli::text::SafeText;
use meoww_proto::limits::MAX_CHAT_CHARS;

/// Controls, directions, joiners, tags, private use: with or without a width of their own.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{e000}'..='\u{f8ff}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{1f1e6}'..='\u{1f1ff}'
            | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0000}'..)
}

fuzz_target!(|raw: &str| {
    let text = SafeText::new(raw);
    assert!(!text.as_str().contains(acts), "{text:?}");
    assert!(text.as_str().chars().count() <= MAX_CHAT_CHARS);
    assert_eq!(text.as_str().trim_matches(' '), text.as_str());
    assert_eq!(SafeText::new(text.as_str()), text);
});
