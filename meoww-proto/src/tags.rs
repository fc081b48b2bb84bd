//! What a search may ask of a partner.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// Most tags one search may carry.
pub const MAX_TAGS: usize = 5;
/// Longest tag, in Unicode scalar values.
pub const MAX_TAG_CHARS: usize = 24;
/// Wait for a common tag where a search says nothing of it.
pub const DEFAULT_TAG_WAIT: Duration = Duration::from_secs(10);
/// Longest wait for a common tag a search may ask for.
pub const MAX_TAG_WAIT: Duration = Duration::from_secs(120);

/// Why a text is no [`Tag`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tag is 1 to {MAX_TAG_CHARS} letters, digits, '-', '_', '+' or '.'")]
pub struct InvalidTag;

/// An interest two strangers may share: 1 to [`MAX_TAG_CHARS`] letters, digits, `-`, `_`, `+` or
/// `.`, without a leading `#`, in lower case and Unicode's NFKC, so that what looks alike is equal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

impl Tag {
    /// As compared.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = InvalidTag;

    fn from_str(text: &str) -> Result<Self, InvalidTag> {
        // Normalising grows a text at most 18 times (UAX #15), so what is absurd goes first.
        if text.len() > 16 * MAX_TAG_CHARS {
            return Err(InvalidTag);
        }
        let folded: String = text.trim().nfkc().flat_map(char::to_lowercase).nfkc().collect();
        let tag = folded.strip_prefix('#').unwrap_or(&folded);
        let allowed = |c: char| c.is_alphanumeric() || "-_+.".contains(c);
        match tag.chars().count() {
            1..=MAX_TAG_CHARS if tag.chars().all(allowed) => Ok(Self(tag.to_owned())),
            _ => Err(InvalidTag),
        }
    }
}

impl TryFrom<String> for Tag {
    type Error = InvalidTag;

    fn try_from(text: String) -> Result<Self, InvalidTag> {
        text.parse()
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_looks_alike_is_equal() {
        let tag = |text: &str| text.parse::<Tag>().map(String::from);
        assert_eq!(tag(" #Rust ").as_deref(), Ok("rust"));
        assert_eq!(tag("ＲＵＳＴ").as_deref(), Ok("rust"));
        assert_eq!(tag("C++").as_deref(), Ok("c++"));
        assert_eq!(tag("Ma\u{301}gica").as_deref(), Ok("mágica"));
        for bad in ["", "#", "two words", "a\u{202e}b", "a\u{7}", &"x".repeat(25)] {
            assert_eq!(tag(bad), Err(InvalidTag), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_once_parses_to_itself(text in ".{0,30}") {
            if let Ok(tag) = text.parse::<Tag>() && !tag.as_str().starts_with('#') {
                prop_assert_eq!(tag.as_str().parse::<Tag>(), Ok(tag.clone()));
            }
        }
    }
}
