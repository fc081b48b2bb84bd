//! Names for accounts whose old ones break the rules: they come from another program.

use meoww_proto::UserId;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::{Name, Username};

/// Longest username.
const MAX_USERNAME: usize = 32;
/// Longest name, in characters.
const MAX_NAME: usize = 64;

impl Username {
    /// Returns what to call an account that cannot be called `old`, best first: `old` in allowed
    /// letters where enough of it is left, the same with the end of the id, the same with all of the
    /// id. An id is an account's own, so that only somebody who chose it can have taken the last.
    pub fn instead_of(old: &str, id: UserId) -> impl Iterator<Item = Self> {
        let base = allowed(old);
        let id = id.to_string();
        let with = |end: &str| {
            let base = if base.is_empty() { "user" } else { &base };
            format!("{}_{end}", &base[..base.len().min(MAX_USERNAME - 1 - end.len())])
        };
        let candidates =
            [base[..base.len().min(MAX_USERNAME)].to_owned(), with(&id[18..]), with(&id)];
        candidates.into_iter().filter_map(|text| Self::parse(&text).ok())
    }
}

/// Letters without their accents; what is not allowed becomes one `_` a run, and none at the ends.
fn allowed(text: &str) -> String {
    let mut base = String::new();
    let letters = text.chars().take(1024).nfkd().filter(|c| !is_combining_mark(*c));
    for c in letters.flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' | '.' => base.push(c),
            _ if base.ends_with('_') => {}
            _ => base.push('_'),
        }
    }
    base.trim_matches('_').to_owned()
}

impl Name {
    /// Returns `old` without its control characters and cut to length; `None` if nothing is left.
    pub fn instead_of(old: &str) -> Option<Self> {
        let text: String = old.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let text: String = text.trim().chars().take(MAX_NAME).collect();
        Self::parse(&text).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: UserId = UserId::from_bytes([0x65, 0xf0, 0xc0, 0xff, 0xee, 0, 0, 0, 0, 0, 0, 0x0a]);

    fn instead_of(old: &str) -> Vec<String> {
        Username::instead_of(old, ID).map(|username| username.as_str().to_owned()).collect()
    }

    #[test]
    fn a_username_stays_as_close_as_the_rules_allow() {
        let cases = [
            ("john-doe", "john_doe"),
            ("José", "jose"),
            ("two  words", "two_words"),
            ("Ünï", "uni"),
            ("o\u{2019}neil", "o_neil"),
            ("user@host", "user_host"),
            ("-x.y-", "x.y"),
            ("\u{ff21}da", "ada"),
        ];
        for (old, new) in cases {
            assert_eq!(instead_of(old)[0], new, "{old}");
        }
        assert_eq!(instead_of(&"x".repeat(33))[0], "x".repeat(32));
    }

    #[test]
    fn an_id_makes_a_username_of_too_little_and_unique_what_is_taken() {
        let id = "65f0c0ffee0000000000000a";
        assert_eq!(instead_of("ab"), ["ab_00000a", &format!("ab_{id}")]);
        assert_eq!(instead_of("\u{540d}\u{524d}"), ["user_00000a", &format!("user_{id}")]);
        let long = "x".repeat(40);
        assert_eq!(instead_of(&long)[1], format!("{}_00000a", "x".repeat(25)));
        assert_eq!(instead_of(&long)[2], format!("xxxxxxx_{id}"));
    }

    #[test]
    fn a_name_loses_what_the_rules_forbid() {
        let named = |old: &str| Name::instead_of(old).map(|name| name.as_str().to_owned());
        assert_eq!(named("line\nbreak").as_deref(), Some("line break"));
        assert_eq!(named(&"x".repeat(100)), Some("x".repeat(64)));
        assert_eq!(named(" \t\0"), None);
    }

    proptest! {
        #[test]
        fn there_is_always_a_username_with_the_whole_id(old in ".{0,80}") {
            let last = instead_of(&old).pop();
            prop_assert!(last.is_some_and(|last| last.ends_with("_65f0c0ffee0000000000000a")));
        }

        #[test]
        fn a_name_is_found_for_all_that_shows(old in ".{0,99}[a-z]") {
            prop_assert!(Name::instead_of(&old).is_some());
        }
    }
}
