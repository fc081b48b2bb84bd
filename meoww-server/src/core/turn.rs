//! Time-limited TURN credentials: the server shares a secret with the relay and none with the user
//! (draft-uberti-behave-turn-rest-00).

use base64::{Engine, engine::general_purpose::STANDARD};
use meoww_proto::{UserId, account::IceServer};
use ring::hmac;
use time::{Duration, OffsetDateTime};

/// How long credentials are good for.
pub const LIFETIME: Duration = Duration::hours(1);

/// Credentials for `user` at the relay `url`, good for an hour from `now`.
pub fn credentials(url: &str, secret: &[u8], user: UserId, now: OffsetDateTime) -> IceServer {
    let username = format!("{}:{user}", (now + LIFETIME).unix_timestamp());
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let credential = STANDARD.encode(hmac::sign(&key, username.as_bytes()));
    IceServer { urls: url.to_owned(), username: Some(username), credential: Some(credential) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected value from `printf 4600:0101... | openssl dgst -sha1 -hmac north -binary | base64`.
    #[test]
    fn credentials_are_those_coturn_computes() {
        let user = UserId::from_bytes([1; 12]);
        let now = OffsetDateTime::UNIX_EPOCH + Duration::seconds(1000);
        let server = credentials("turn:relay.example:3478", b"north", user, now);
        assert_eq!(server.urls, "turn:relay.example:3478");
        assert_eq!(server.username.as_deref(), Some("4600:010101010101010101010101"));
        assert_eq!(server.credential.as_deref(), Some("w7Igq8l8I6af89ZRNz9tNh79Hwk="));
    }
}
