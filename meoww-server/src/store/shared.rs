//! Secrets that all servers on one database must have, and how they are told apart without being
//! told.

use ring::hmac::{HMAC_SHA256, Key, sign};

use super::export::hex;

/// A secret by its name, and something that only who has it can make.
pub(crate) struct SharedSecret {
    /// Of its row.
    pub(crate) key: &'static str,
    /// For people.
    pub(crate) name: &'static str,
    pub(crate) fingerprint: String,
}

impl SharedSecret {
    pub(crate) fn new(key: &'static str, name: &'static str, secret: &[u8]) -> Self {
        // A MAC by the secret tells nothing of it, as long as nobody can guess it.
        let tag = sign(&Key::new(HMAC_SHA256, secret), format!("meoww secret: {key}").as_bytes());
        Self { key, name, fingerprint: hex(tag.as_ref()) }
    }

    /// Returns the key of its row in the table `meta`.
    pub(crate) fn row(&self) -> String {
        format!("fingerprint of {}", self.key)
    }
}
