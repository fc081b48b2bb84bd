//! Accounts and the fields they are made of. A field is parsed once, at the border; past it the
//! type is the proof.

mod email;
mod rename;

use std::borrow::Cow;

use meoww_proto::{UserId, account};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use zxcvbn::{Score, zxcvbn};

pub use self::email::{Email, Mailbox};

/// Why a field was refused; the text is for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidField(Cow<'static, str>);

impl InvalidField {
    const fn because(reason: &'static str) -> Self {
        Self(Cow::Borrowed(reason))
    }
}

/// Shown to others: 1 to 64 characters, trimmed, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// Reads what a person typed.
    pub fn parse(text: &str) -> Result<Self, InvalidField> {
        let text = text.trim();
        let length = text.chars().take(65).count();
        if length == 0 || length > 64 || text.chars().any(char::is_control) {
            return Err(InvalidField::because(
                "Name must be 1 to 64 characters without control characters",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// As shown and stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Unique: 3 to 32 of `a-z 0-9 _ .`, lower-cased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Username(String);

impl Username {
    /// Reads what a person typed.
    pub fn parse(text: &str) -> Result<Self, InvalidField> {
        let text = text.trim().to_ascii_lowercase();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
        if !(3..=32).contains(&text.len()) || !text.bytes().all(allowed) {
            return Err(InvalidField::because("Username must be 3 to 32 of a-z, 0-9, _ and ."));
        }
        Ok(Self(text))
    }

    /// As compared and stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// 8 to 128 characters that are not easy to guess, kept only until they are hashed.
pub struct Password(String);

impl Password {
    /// Reads what a person chose of whom nothing is known.
    pub fn parse(text: String) -> Result<Self, InvalidField> {
        Self::parse_for(text, &[])
    }

    /// Reads what a person chose; `known` is what others know of them and would try first.
    pub fn parse_for(text: String, known: &[&str]) -> Result<Self, InvalidField> {
        if !(8..=128).contains(&text.chars().take(129).count()) {
            return Err(InvalidField::because("Password must be 8 to 128 characters"));
        }
        let guesses = guesses(known);
        let guesses: Vec<_> = guesses.iter().map(String::as_str).collect();
        let strength = zxcvbn(&text, &guesses);
        if strength.score() < Score::Two {
            let feedback = strength.feedback();
            let advice = feedback.and_then(|feedback| match feedback.warning() {
                Some(warning) => Some(warning.to_string()),
                None => Some(feedback.suggestions().first()?.to_string()),
            });
            let advice = advice.unwrap_or_else(|| "Use a few uncommon words.".into());
            return Err(InvalidField(format!("Password is too easy to guess. {advice}").into()));
        }
        Ok(Self(text))
    }

    /// What is hashed.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// What is known of somebody as it comes up in passwords: as it is, each word, and all of them run
/// together.
fn guesses(known: &[&str]) -> Vec<String> {
    let words = |text: &&str| {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let words: Vec<_> = words.map(str::to_owned).collect();
        let together = words.concat();
        words.into_iter().chain([together, (*text).to_owned()]).collect::<Vec<_>>()
    };
    known.iter().flat_map(words).collect()
}

/// One user, as stored.
#[derive(Clone, Serialize, Deserialize)]
pub struct Account {
    /// Drawn at sign-up.
    pub id: UserId,
    /// As signed up.
    pub name: Name,
    /// As signed up.
    pub username: Username,
    /// As signed up or changed since.
    pub email: Email,
    /// Argon2id, in PHC string format.
    pub password_hash: String,
    /// Path of the profile picture on this server, or the whole URL of one that is kept elsewhere;
    /// empty when there is none.
    pub profile_image: String,
    /// Whether the address was confirmed by a code.
    pub is_verified: bool,
    /// When it was signed up.
    #[serde(with = "time::serde::timestamp::milliseconds")]
    pub created_at: OffsetDateTime,
    /// Shut out by the operators, perhaps only until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<Ban>,
}

/// Why an account is shut out, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// For the operators and for the user.
    pub reason: String,
    /// `None` is for good.
    #[serde(default, with = "time::serde::timestamp::milliseconds::option")]
    pub until: Option<OffsetDateTime>,
}

impl Ban {
    /// Whether it still holds.
    pub fn is_in_force(&self, now: OffsetDateTime) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// How long an account whose address was never confirmed is kept.
pub const UNVERIFIED_KEPT: Duration = Duration::days(7);

impl Account {
    /// Whether its owner never came back to confirm the address. One with a ban stays, so that the
    /// ban is not forgotten by that.
    pub fn is_abandoned(&self, now: OffsetDateTime) -> bool {
        !self.is_verified && self.ban.is_none() && now >= self.created_at + UNVERIFIED_KEPT
    }

    /// The ban that holds now, if there is one.
    pub fn ban_in_force(&self, now: OffsetDateTime) -> Option<&Ban> {
        self.ban.as_ref().filter(|ban| ban.is_in_force(now))
    }

    /// What others may know of its owner and try as a password.
    pub fn known(&self) -> Vec<String> {
        vec![self.name.0.clone(), self.username.0.clone(), self.email.as_str().to_owned()]
    }

    /// As its owner sees it. `public_url` is how the world reaches this server; without one, a
    /// picture is named by its path.
    pub fn to_user(&self, public_url: Option<&str>) -> account::User {
        let ours = self.profile_image.starts_with('/');
        let origin = public_url.filter(|_| ours).unwrap_or_default();
        account::User {
            id: self.id,
            name: self.name.0.clone(),
            username: self.username.0.clone(),
            email: self.email.as_str().to_owned(),
            profile_image: format!("{origin}{}", self.profile_image),
            is_verified: self.is_verified,
            created_at: rfc3339_millis(self.created_at),
        }
    }
}

/// A fresh id: Unix seconds, then eight random bytes (BSON ObjectId, its random value and counter
/// drawn together).
pub fn new_user_id(now: OffsetDateTime, random: [u8; 8]) -> UserId {
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&(now.unix_timestamp() as u32).to_be_bytes());
    bytes[4..].copy_from_slice(&random);
    UserId::from_bytes(bytes)
}

/// RFC 3339 in UTC with exactly three decimals, as JavaScript's `Date.toJSON` writes it.
pub fn rfc3339_millis(at: OffsetDateTime) -> String {
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second, milli) = at.to_hms_milli();
    let month = u8::from(month);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests;
