//! What `mongoexport` writes of the Node.js backend's `users` collection (extended JSON, version
//! 2 or 1), as accounts.

use std::io::{BufRead, Read};

use meoww_proto::UserId;
use serde::Deserialize;
use serde_json::Value;
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use crate::{
    core::account::{Account, Email, Name, Username},
    hashing,
    store::{Batch, Fault},
};

/// Longest line.
const MAX_LINE: u64 = 1 << 20;
/// Longest URL of a picture.
const MAX_URL: usize = 2048;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(rename = "_id")]
    id: Id,
    name: Option<String>,
    username: String,
    email: String,
    password_hash: String,
    profile_image: Option<String>,
    is_verified: Option<bool>,
    created_at: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Extended {
        #[serde(rename = "$oid")]
        oid: UserId,
    },
    Plain(UserId),
}

/// The accounts, and what is wrong with the others: by line, or by place in an array.
pub(crate) fn parse(mut input: impl BufRead) -> (Batch, Vec<Fault>) {
    let (mut accounts, mut faults) = (Vec::new(), Vec::new());
    let mut take = |line: u64, document: Result<Value, String>| match document
        .and_then(|document| account(&document))
    {
        Ok(account) => accounts.push((line, account)),
        Err(reason) => faults.push(Fault { line, reason }),
    };
    if is_array(&mut input) {
        match serde_json::from_reader::<_, Vec<Value>>(input) {
            Ok(documents) => (1..).zip(documents).for_each(|(n, value)| take(n, Ok(value))),
            Err(error) => take(error.line() as u64, Err("the array is not whole".into())),
        }
    } else {
        let (mut line, mut number) = (Vec::new(), 0);
        loop {
            line.clear();
            number += 1;
            match input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) if line.trim_ascii().is_empty() => {}
                Ok(_) => take(
                    number,
                    serde_json::from_slice(&line).map_err(|_| "is no JSON object".into()),
                ),
                Err(error) => {
                    take(number, Err(error.to_string()));
                    break;
                }
            }
        }
    }
    (Batch::of_accounts(accounts), faults)
}

/// As `--jsonArray` makes it.
fn is_array(input: &mut impl BufRead) -> bool {
    input.fill_buf().is_ok_and(|bytes| bytes.trim_ascii_start().first() == Some(&b'['))
}

fn account(document: &Value) -> Result<Account, String> {
    let document = Document::deserialize(document).map_err(|error| error.to_string())?;
    let Document { id, name, username, email, password_hash, profile_image, .. } = document;
    let id = match id {
        Id::Extended { oid } => oid,
        Id::Plain(id) => id,
    };
    let said = |error: crate::core::account::InvalidField| error.to_string();
    let username = Username::parse(&username).map_err(said)?;
    let name = name.filter(|name| !name.trim().is_empty());
    if hashing::bcrypt_cost(&password_hash).is_none() {
        return Err("passwordHash is no bcrypt hash of a cost that can be checked".into());
    }
    let is_picture = |url: &String| {
        url.len() <= MAX_URL
            && (url.starts_with("https://") || url.starts_with("http://"))
            && !url.contains(|c: char| c.is_control() || c.is_whitespace())
    };
    let created_at = match &document.created_at {
        Some(value) => date(value).ok_or("createdAt is no date")?,
        None => made_at(id),
    };
    Ok(Account {
        id,
        name: Name::parse(name.as_deref().unwrap_or(username.as_str())).map_err(said)?,
        username,
        email: Email::parse(&email).map_err(said)?,
        password_hash,
        profile_image: profile_image.filter(is_picture).unwrap_or_default(),
        // As Mongoose reads a document without it.
        is_verified: document.is_verified.unwrap_or(false),
        created_at,
        ban: None,
    })
}

/// `{"$date": "2024-..."}`, `{"$date": {"$numberLong": "170..."}}`, `{"$date": 170...}`.
fn date(value: &Value) -> Option<OffsetDateTime> {
    let date = value.get("$date")?;
    let millis = match date {
        Value::String(text) => {
            let local = OffsetDateTime::parse(text, &Rfc3339).ok()?;
            // Kept in UTC, where it may be of a year that cannot be read again.
            return local.checked_to_offset(UtcOffset::UTC);
        }
        Value::Number(number) => number.as_i64()?,
        other => other.get("$numberLong")?.as_str()?.parse().ok()?,
    };
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok()
}

/// An ObjectId begins with the second it was made in.
fn made_at(id: UserId) -> OffsetDateTime {
    let [a, b, c, d, ..] = *id.as_bytes();
    let seconds = u32::from_be_bytes([a, b, c, d]);
    OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(i64::from(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_taken_only_if_it_can_be_read_again() {
        let read = |text: &str| date(&serde_json::json!({ "$date": text }));
        let noon = OffsetDateTime::UNIX_EPOCH + time::Duration::hours(12);
        assert_eq!(read("1970-01-01T14:00:00+02:00"), Some(noon));
        assert!(read("9999-12-31T23:59:59Z").is_some());
        assert_eq!(read("9999-12-31T23:59:59-01:00"), None, "the year 10000");
    }
}
