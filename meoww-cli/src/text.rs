//! Text of others, made safe to draw.

use std::fmt;

use meoww_proto::limits::MAX_CHAT_CHARS;
use serde::Serialize;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};
use unicode_width::UnicodeWidthChar;

/// Most characters without a width of their own on one base: enough for Thai, pointed Hebrew,
/// decomposed Vietnamese and Hangul, too few to paint over neighbouring lines.
const MAX_MARKS: usize = 3;

/// Text that holds nothing a terminal would act on: the one way in for all text of a peer or server.
///
/// White space and line breaks become plain spaces. Control characters (C0, C1, so ESC and CSI), format
/// characters (bidirectional overrides and isolates, joiners, tags, soft hyphens), private use,
/// unassigned and invisible characters and variation selectors are removed. Emoji are as wide as their
/// parts, which terminals with and without grapheme clusters measure alike: joined ones fall apart, skin
/// tones are removed, and a flag becomes the two letters of its region. At most three combining marks
/// stay on one base, none without a base. At most [`MAX_CHAT_CHARS`] characters stay, trimmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SafeText(String);

impl SafeText {
    /// Sanitises `raw`; what is already safe stays as it is.
    pub fn new(raw: &str) -> Self {
        let mut text = String::new();
        let (mut chars, mut marks) = (0, MAX_MARKS);
        for c in raw.chars().filter_map(drawable) {
            if chars == MAX_CHAT_CHARS {
                break;
            }
            let keep = match c {
                // A mark on a space would cling to whatever a terminal drew before it.
                ' ' => {
                    marks = MAX_MARKS;
                    !text.is_empty()
                }
                c if is_mark(c) => {
                    marks += 1;
                    marks <= MAX_MARKS
                }
                _ => {
                    marks = 0;
                    true
                }
            };
            if keep {
                text.push(c);
                chars += 1;
            }
        }
        text.truncate(text.trim_end_matches(' ').len());
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What may be drawn for `c`: itself, a space for white space, or nothing.
pub fn drawable(c: char) -> Option<char> {
    use GeneralCategory as Gc;
    if matches!(c, '\t'..='\r' | '\u{85}') {
        return Some(' ');
    }
    match c.general_category() {
        Gc::SpaceSeparator | Gc::LineSeparator | Gc::ParagraphSeparator => Some(' '),
        Gc::Control | Gc::Format | Gc::Surrogate | Gc::PrivateUse | Gc::Unassigned => None,
        _ if is_invisible(c) => None,
        _ => as_wide_everywhere(c),
    }
}

/// Emoji that change with their neighbours: two regional indicators (UTS #51, 1.4.6) are a flag of two
/// columns where clusters are known, and two, three or four elsewhere; a skin tone (1.4.4) has none on
/// an emoji, and two where it is drawn beside it.
fn as_wide_everywhere(c: char) -> Option<char> {
    match c {
        '\u{1f1e6}'..='\u{1f1ff}' => char::from_u32(c as u32 - 0x1f1e6 + u32::from('A')),
        '\u{1f3fb}'..='\u{1f3ff}' => None,
        _ => Some(c),
    }
}

/// Letters and marks that are drawn as nothing (`Default_Ignorable_Code_Point` outside category
/// `Cf`, Unicode 17) or only change how wide their neighbour is.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

fn is_mark(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Mark || c.width().unwrap_or(0) == 0
}

impl fmt::Display for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use unicode_segmentation::UnicodeSegmentation;
    use unicode_width::UnicodeWidthStr;

    fn safe(raw: &str) -> String {
        SafeText::new(raw).to_string()
    }

    #[test]
    fn words_of_the_world_stay() {
        for text in ["grüße, 世界!", "สวัสดีครับ ที่นี่", "שָׁלוֹם", "नमस्ते", "한국어", "e\u{301}", "🐱 ^_^"]
        {
            assert_eq!(safe(text), text);
        }
    }

    #[test]
    fn escape_sequences_lose_their_teeth() {
        assert_eq!(safe("\u{1b}[31mred\u{1b}[0m"), "[31mred[0m");
        assert_eq!(safe("\u{1b}]0;title\u{7}x"), "]0;titlex");
        assert_eq!(safe("\u{9b}2Jx\u{9c}\u{7f}\0"), "2Jx");
    }

    #[test]
    fn tricks_with_direction_width_and_tags_go() {
        assert_eq!(safe("a\u{202e}b\u{2066}c\u{200f}d\u{61c}"), "abcd");
        assert_eq!(safe("a\u{200b}\u{200d}\u{2060}\u{feff}b\u{e0041}\u{e000}"), "ab");
        assert_eq!(safe("👩\u{200d}🚀 ❤\u{fe0f}"), "👩🚀 ❤");
        assert_eq!(safe("\u{3164}\u{115f}x"), "x");
    }

    #[test]
    fn emoji_are_as_wide_as_their_parts() {
        assert_eq!(safe("👍🏽 👩🏾\u{200d}🚀 🏿"), "👍 👩🚀");
        assert_eq!(safe("🇩🇪🇫🇷 🇦🇿"), "DEFR AZ");
        // Keycap, and the flag of England by tags.
        assert_eq!(safe("1\u{fe0f}\u{20e3} 🏴\u{e0067}\u{e0062}\u{e007f}"), "1\u{20e3} 🏴");
    }

    #[test]
    fn white_space_is_space_and_trimmed() {
        assert_eq!(safe(" \n a\r\nb\tc\u{a0}d\u{2028}e \n"), "a  b c d e");
    }

    #[test]
    fn marks_are_few_and_never_alone() {
        assert_eq!(
            safe(&format!("a{}", "\u{301}".repeat(50))),
            format!("a{}", "\u{301}".repeat(3))
        );
        assert_eq!(safe("\u{301}a \u{301}b"), "a b");
    }

    #[test]
    fn length_is_bounded() {
        assert_eq!(safe(&"x".repeat(5000)).len(), MAX_CHAT_CHARS);
    }

    /// Strings thick with what matters: controls, format characters, marks, spaces.
    fn hostile() -> impl Strategy<Value = String> {
        let nasty = prop_oneof![
            any::<char>(),
            (0u32..0x0300).prop_map(|c| char::from_u32(c).unwrap()),
            (0x300u32..0x370).prop_map(|c| char::from_u32(c).unwrap()),
            (0x2000u32..0x2070).prop_map(|c| char::from_u32(c).unwrap()),
            (0xe0000u32..0xe0200).prop_map(|c| char::from_u32(c).unwrap()),
        ];
        prop::collection::vec(nasty, 0..200).prop_map(String::from_iter)
    }

    /// What the emoji of UTS #51 are made of.
    fn emoji() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            (0x1f1e6u32..0x1f200).prop_map(|c| char::from_u32(c).unwrap()),
            (0x1f3f0u32..0x1f480).prop_map(|c| char::from_u32(c).unwrap()),
            (0x2600u32..0x27c0).prop_map(|c| char::from_u32(c).unwrap()),
            prop::sample::select(vec!['\u{200d}', '\u{fe0f}', '\u{fe0e}', '\u{20e3}', '1', '♂']),
        ];
        prop::collection::vec(part, 0..40).prop_map(String::from_iter)
    }

    proptest! {
        /// Terminals without clusters add up characters, others measure clusters.
        #[test]
        fn clusters_are_as_wide_as_their_characters(raw in prop_oneof![emoji(), hostile()]) {
            for cluster in safe(&raw).graphemes(true) {
                let apart: usize = cluster.chars().filter_map(|c| c.width()).sum();
                prop_assert_eq!(cluster.width(), apart, "{:?}", cluster);
            }
        }

        #[test]
        fn nothing_a_terminal_acts_on_is_left(raw in hostile()) {
            let text = safe(&raw);
            prop_assert_eq!(&safe(&text), &text, "not idempotent");
            prop_assert!(text.chars().count() <= MAX_CHAT_CHARS);
            prop_assert_eq!(text.trim_matches(' '), text.as_str());
            let acts = |c: char| {
                c.is_control()
                    || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                        | '\u{2060}'..='\u{206f}' | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}'
                        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..)
            };
            prop_assert!(!text.contains(acts), "{:?}", text);
        }
    }
}
