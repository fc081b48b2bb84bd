//! Devices an account was used on. A device that logged in once shows a token for it later, and its
//! guesses are counted apart from those of strangers, who therefore cannot lock it out (OWASP, Slow
//! Down Online Guessing Attacks with Device Cookies).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use meoww_proto::UserId;
use rand::{CryptoRng, RngExt};
use ring::hmac;

use super::{limits::Network, otp::Presenter, session::SessionId};

const USER: usize = 12;
const DEVICE: usize = 16;
const MAC: usize = 32;

/// One device of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceId([u8; DEVICE]);

/// What a device shows: whose it is, its id, and HMAC-SHA256 (RFC 2104) over both and the hash of the
/// account's password. A new password makes all tokens of before worthless.
pub struct DeviceToken([u8; USER + DEVICE + MAC]);

impl DeviceToken {
    /// Makes a token for a device that was just used by the account's owner.
    pub fn issue(
        key: &[u8; 32],
        user: UserId,
        password_hash: &str,
        rng: &mut impl CryptoRng,
    ) -> Self {
        let mut token = [0; USER + DEVICE + MAC];
        token[..USER].copy_from_slice(user.as_bytes());
        token[USER..USER + DEVICE].copy_from_slice(&rng.random::<[u8; DEVICE]>());
        let mac = hmac::sign(&signing_key(key), &signed(&token, password_hash));
        token[USER + DEVICE..].copy_from_slice(mac.as_ref());
        Self(token)
    }

    /// Parses what a client presented; nothing is proved by that.
    pub fn parse(text: &str) -> Option<Self> {
        let mut token = [0; USER + DEVICE + MAC];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut token).ok()?;
        (length == token.len()).then_some(Self(token))
    }

    /// The account it claims to be of.
    pub fn user(&self) -> UserId {
        UserId::from_bytes(*self.0.first_chunk().expect("it is longer"))
    }

    /// Returns the device if the token was made by this server for that account and password.
    pub fn verify(&self, key: &[u8; 32], user: UserId, password_hash: &str) -> Option<DeviceId> {
        let mac = &self.0[USER + DEVICE..];
        hmac::verify(&signing_key(key), &signed(&self.0, password_hash), mac).ok()?;
        let device = *self.0[USER..].first_chunk().expect("it is longer");
        (self.user() == user).then_some(DeviceId(device))
    }

    /// For the cookie that carries it.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

/// A key of its own, so that no other use of the server's key makes a token.
fn signing_key(key: &[u8; 32]) -> hmac::Key {
    let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), b"device tokens");
    hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
}

/// The parts before the hash have one length, so no two inputs read the same.
fn signed(token: &[u8; USER + DEVICE + MAC], password_hash: &str) -> Vec<u8> {
    [&token[..USER + DEVICE], password_hash.as_bytes()].concat()
}

/// Where guesses at a password or a code come from, as they are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guesser {
    /// A network of strangers.
    Network(Network),
    /// A device of the account.
    Device(DeviceId),
    /// A session of the account.
    Session(SessionId),
}

impl Guesser {
    /// As whom it presents a code.
    pub fn presenter(self) -> Presenter {
        match self {
            Self::Network(_) => Presenter::Anyone,
            Self::Device(_) | Self::Session(_) => Presenter::Owner,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    const KEY: [u8; 32] = [7; 32];
    const USER_ID: UserId = UserId::from_bytes([1; 12]);

    fn issued(seed: u64) -> DeviceToken {
        DeviceToken::issue(&KEY, USER_ID, "hash", &mut StdRng::seed_from_u64(seed))
    }

    #[test]
    fn a_token_is_good_for_its_account_password_and_server() {
        let token = DeviceToken::parse(&issued(1).encode()).expect("its own form");
        assert_eq!(token.user(), USER_ID);
        let device = token.verify(&KEY, USER_ID, "hash").expect("genuine");
        assert_ne!(issued(2).verify(&KEY, USER_ID, "hash"), Some(device), "one a device");
        assert_eq!(token.verify(&KEY, USER_ID, "new hash"), None);
        assert_eq!(token.verify(&[8; 32], USER_ID, "hash"), None);
        assert_eq!(token.verify(&KEY, UserId::from_bytes([2; 12]), "hash"), None);
    }

    #[test]
    fn a_token_changed_anywhere_is_refused() {
        for at in 0..USER + DEVICE + MAC {
            let mut token = issued(1);
            token.0[at] ^= 1;
            let user = token.user();
            assert_eq!(token.verify(&KEY, user, "hash"), None, "{at}");
        }
    }

    #[test]
    fn what_is_no_token_is_not_parsed() {
        let good = issued(1).encode();
        for text in
            ["", "x", &good[1..], &format!("{good}AAAA"), &good.replacen(&good[..1], "%", 1)]
        {
            assert!(DeviceToken::parse(text).is_none(), "{text}");
        }
    }
}
