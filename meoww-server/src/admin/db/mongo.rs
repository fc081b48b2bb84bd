//! What `mongoexport` writes of the Node.js backend's `users` collection, as accounts.

mod documents;
mod extended;

use std::io::BufRead;

use meoww_proto::UserId;
use serde_json::Value;
use time::OffsetDateTime;

pub(crate) use self::documents::Documents;
use self::extended::{boolean, date, is_absent, object_id};
use crate::{
    core::account::{Account, Email, InvalidField, Name, Username, rfc3339_millis},
    hashing,
    store::{Batch, Change, Fault, Migrated},
};

/// Longest URL of a picture.
const MAX_URL: usize = 2048;
/// Longest text of a document that a report repeats, in characters.
const MAX_SAID: usize = 80;
/// What takes the users whose names are refused here.
const HINT: &str = "--rename takes the user under another";

/// Adds the accounts to a batch, and returns what is wrong with the others. With `rename`, those whose
/// names break the rules come along under other ones.
pub(crate) fn parse(mut batch: Batch, input: impl BufRead, rename: bool) -> (Batch, Vec<Fault>) {
    let mut faults = Vec::new();
    for (line, document) in Documents::new(input) {
        match document {
            Ok(document) => match migrated(&document, rename) {
                Ok(user) => batch.add_migrated(line, user),
                Err(reason) => {
                    let user = document.get("_id").and_then(object_id);
                    faults.push(Fault { line, user, reason });
                }
            },
            Err(reason) => faults.push(Fault::at(line, reason)),
        }
    }
    (batch, faults)
}

fn migrated(document: &Value, rename: bool) -> Result<Migrated, String> {
    let document = Fields(document);
    if document.get("otpHash").is_some() {
        return Err("is of the otps collection: codes do not come along, users do".into());
    }
    let id = document.get("_id").and_then(object_id).ok_or("_id is no ObjectId")?;
    let email = Email::parse(document.text("email")?).map_err(said)?;
    let password_hash = document.text("passwordHash")?.to_owned();
    if hashing::bcrypt_cost(&password_hash).is_none() {
        return Err("passwordHash is no bcrypt hash of a cost that can be checked".into());
    }
    let (username, refused) = document.username(id, rename)?;
    let mut changes = Vec::new();
    let account = Account {
        id,
        name: document.name(&username, rename, &mut changes)?,
        username,
        email,
        password_hash,
        profile_image: document.profile_image(&mut changes),
        // As Mongoose reads a document without it.
        is_verified: document.get("isVerified").and_then(boolean).unwrap_or(false),
        created_at: document.created_at(id, &mut changes),
        ban: None,
    };
    Ok(Migrated { account, refused, changes })
}

struct Fields<'a>(&'a Value);

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !is_absent(value))
    }

    fn text(&self, name: &str) -> Result<&'a str, String> {
        let value = self.get(name).ok_or_else(|| format!("has no {name}"))?;
        value.as_str().ok_or_else(|| format!("{name} is no text"))
    }

    /// The username, and the old one if that is refused.
    fn username(&self, id: UserId, rename: bool) -> Result<(Username, Option<String>), String> {
        let old = self.text("username")?;
        match Username::parse(old) {
            Ok(username) => Ok((username, None)),
            Err(error) if !rename => Err(format!("{error}; {HINT}")),
            Err(error) => {
                let username = Username::instead_of(old, id).next().ok_or_else(|| said(error))?;
                Ok((username, Some(brief(old))))
            }
        }
    }

    fn name(
        &self,
        username: &Username,
        rename: bool,
        changes: &mut Vec<Change>,
    ) -> Result<Name, String> {
        let old = self.get("name").map_or(Ok(""), |_| self.text("name"))?;
        let unnamed = || Name::parse(username.as_str()).map_err(said);
        if old.trim().is_empty() {
            return unnamed();
        }
        match Name::parse(old) {
            Ok(name) => Ok(name),
            Err(error) if !rename => Err(format!("{error}; {HINT}")),
            Err(_) => {
                let name = Name::instead_of(old).map_or_else(unnamed, Ok)?;
                changes.push(Change::new("name", brief(old), name.as_str()));
                Ok(name)
            }
        }
    }

    fn profile_image(&self, changes: &mut Vec<Change>) -> String {
        match self.get("profileImage") {
            None => String::new(),
            Some(Value::String(url)) if url.is_empty() || is_picture(url) => url.clone(),
            Some(other) => {
                changes.push(Change::new("profileImage", brief(&other.to_string()), ""));
                String::new()
            }
        }
    }

    fn created_at(&self, id: UserId, changes: &mut Vec<Change>) -> OffsetDateTime {
        let Some(value) = self.get("createdAt") else { return made_at(id) };
        date(value).unwrap_or_else(|| {
            let old = brief(&value.to_string());
            changes.push(Change::new("createdAt", old, rfc3339_millis(made_at(id))));
            made_at(id)
        })
    }
}

fn said(error: InvalidField) -> String {
    error.to_string()
}

fn is_picture(url: &str) -> bool {
    url.len() <= MAX_URL
        && (url.starts_with("https://") || url.starts_with("http://"))
        && !url.contains(|c: char| c.is_control() || c.is_whitespace())
}

/// An ObjectId begins with the second it was made in.
fn made_at(id: UserId) -> OffsetDateTime {
    let [a, b, c, d, ..] = *id.as_bytes();
    let seconds = u32::from_be_bytes([a, b, c, d]);
    OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(i64::from(seconds))
}

fn brief(text: &str) -> String {
    text.chars().take(MAX_SAID).collect()
}

#[cfg(test)]
mod tests;
