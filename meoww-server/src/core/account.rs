//! Accounts and the fields they are made of. A field is parsed once, at the border; past it the
//! type is the proof.

use lettre::Address;
use meoww_proto::{UserId, account};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Why a field was refused; the text is for the person who typed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidField(&'static str);

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
            return Err(InvalidField("Name must be 1 to 64 characters without control characters"));
        }
        Ok(Self(text.to_owned()))
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
            return Err(InvalidField("Username must be 3 to 32 of a-z, 0-9, _ and ."));
        }
        Ok(Self(text))
    }

    /// As compared and stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Unique: an address of RFC 5321, at most 254 bytes, lower-cased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(Address);

impl Email {
    /// Reads what a person typed.
    pub fn parse(text: &str) -> Result<Self, InvalidField> {
        const INVALID: InvalidField = InvalidField("Invalid email address");
        let text = text.trim().to_lowercase();
        if text.len() > 254 {
            return Err(INVALID);
        }
        text.parse().map(Self).map_err(|_| INVALID)
    }

    /// As compared and stored.
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }

    /// Where mail goes.
    pub fn address(&self) -> &Address {
        &self.0
    }
}

/// 8 to 128 characters, kept only until it is hashed.
pub struct Password(String);

impl Password {
    /// Reads what a person chose.
    pub fn parse(text: String) -> Result<Self, InvalidField> {
        if !(8..=128).contains(&text.chars().take(129).count()) {
            return Err(InvalidField("Password must be 8 to 128 characters"));
        }
        Ok(Self(text))
    }

    /// What is hashed.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
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
    /// As signed up.
    pub email: Email,
    /// Argon2id, in PHC string format.
    pub password_hash: String,
    /// URL of the profile picture, empty when there is none.
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

impl Account {
    /// As its owner sees it.
    pub fn to_user(&self) -> account::User {
        account::User {
            id: self.id,
            name: self.name.0.clone(),
            username: self.username.0.clone(),
            email: self.email.as_str().to_owned(),
            profile_image: self.profile_image.clone(),
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_are_normalised() {
        assert_eq!(Name::parse("  Ada L. ").expect("a name").0, "Ada L.");
        assert_eq!(Username::parse(" Ada_L.1 ").expect("a username").as_str(), "ada_l.1");
        assert_eq!(
            Email::parse(" Ada@Example.COM ").expect("an email").as_str(),
            "ada@example.com"
        );
    }

    #[test]
    fn bad_fields_are_refused() {
        let long = "x".repeat(65);
        assert!(["", "  ", "a\u{7}b", "a\nb", &long].iter().all(|n| Name::parse(n).is_err()));
        let long = "x".repeat(33);
        assert!(["ab", "a b c", "ädä", &long, "a-b-c"].iter().all(|u| Username::parse(u).is_err()));
        let long = format!("{}@example.com", "x".repeat(250));
        let emails = ["", "a", "a@", "@b", "a b@c.d", "a@b\r\nBcc: c@d.e", &long];
        assert!(emails.iter().all(|e| Email::parse(e).is_err()));
        let long = "x".repeat(129);
        assert!(["1234567", &long].iter().all(|p| Password::parse((*p).to_owned()).is_err()));
    }

    #[test]
    fn times_are_written_as_javascript_does() {
        let at = OffsetDateTime::from_unix_timestamp_nanos(1_700_000_000_007_900_000);
        assert_eq!(rfc3339_millis(at.expect("in range")), "2023-11-14T22:13:20.007Z");
    }

    proptest! {
        #[test]
        fn what_parses_once_parses_to_itself(text in ".{0,70}") {
            if let Ok(name) = Name::parse(&text) {
                prop_assert_eq!(Name::parse(&name.0), Ok(name));
            }
            if let Ok(username) = Username::parse(&text) {
                prop_assert_eq!(Username::parse(username.as_str()), Ok(username));
            }
        }
    }
}
