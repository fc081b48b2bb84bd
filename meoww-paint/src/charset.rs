//! The letters that pictures are drawn with.

use std::{fmt, str::FromStr};

use crate::letterforms::{FIRST, FORMS};

/// A set of the letters of ASCII; the space is always one of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Charset(u128);

impl Charset {
    /// Every letter that is seen, and the space.
    pub const ALL: Self = Self((1 << FORMS.len()) - 1);

    /// Its letters in the order of ASCII, so the space first.
    pub(crate) fn letters(self) -> impl Iterator<Item = u8> {
        let letters = FIRST..FIRST + FORMS.len() as u8;
        letters.filter(move |letter| self.0 >> (letter - FIRST) & 1 == 1)
    }
}

impl Default for Charset {
    fn default() -> Self {
        Self::ALL
    }
}

impl FromStr for Charset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bit = |letter| match letter {
            ' '..='~' => Ok(1 << (letter as u8 - FIRST)),
            _ => Err("letters of ASCII only, as their ink has to be known".to_owned()),
        };
        let set = text.chars().map(bit).try_fold(1, |set, bit| Ok::<u128, String>(set | bit?))?;
        if set == 1 { Err("no letter that is seen".to_owned()) } else { Ok(Self(set)) }
    }
}

impl fmt::Display for Charset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.letters().try_for_each(|letter| write!(f, "{}", char::from(letter)))
    }
}

impl fmt::Debug for Charset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Charset({:?})", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_each_letter_once_and_the_space() {
        assert_eq!("@#::.".parse::<Charset>().map(|set| set.to_string()).as_deref(), Ok(" #.:@"));
        let all: String = (' '..='~').collect();
        assert_eq!(all.parse(), Ok(Charset::ALL));
        assert_eq!(Charset::ALL.to_string(), all);
    }

    #[test]
    fn takes_nothing_else() {
        for text in ["", " ", "é", "█", "a\n", "\x1b", "\x7f"] {
            assert!(text.parse::<Charset>().is_err(), "{text:?}");
        }
    }
}
