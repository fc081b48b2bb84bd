//! One-time codes that prove an address: six digits, ten minutes, single use, five tries.

use meoww_proto::UserId;
use rand::{CryptoRng, RngExt};
use ring::hmac;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use time::{Duration, OffsetDateTime};

use super::{
    account::Email,
    mail_queue::{MailSubject, QueuedMail},
};

/// How long a code is good for.
pub const LIFETIME: Duration = Duration::minutes(10);
/// Wrong codes of [`Presenter::Owner`] after which even the right one is refused.
pub const MAX_TRIES: u8 = 5;
/// Wrong codes of [`Presenter::Anyone`] likewise. More than one network may try
/// ([`MAX_TRIES`] in [`LIFETIME`]), so that one of them cannot spoil the code for all others.
pub const MAX_TRIES_OF_ANYONE: u8 = 10;

/// The zeros of the scripts that have decimal digits (Unicode 17, category Nd, the basic plane); the
/// nine others follow each.
const ZEROS: [u32; 37] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66,
    0xde6, 0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
    0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
];

/// The digit that `c` is, as ASCII has it.
fn digit(c: char) -> Option<char> {
    ZEROS.iter().find_map(|zero| char::from_digit(u32::from(c).checked_sub(*zero)?, 10))
}

/// Six decimal digits.
pub struct Code(String);

impl Code {
    /// Returns the code that `salt` makes for a subject: HMAC-SHA256 (RFC 2104), its first 64 bits
    /// modulo a million. The server can mail the same code again without storing it.
    pub fn derive(key: &[u8; 32], subject: Subject<'_>, salt: Salt) -> Self {
        let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
        mac.update(b"code for ");
        subject.update(&mut mac);
        mac.update(&salt.0);
        let mac = mac.sign();
        let first = mac.as_ref().first_chunk().expect("SHA-256 has 32 bytes");
        Self(format!("{:06}", u64::from_be_bytes(*first) % 1_000_000))
    }

    /// Parses typed text. Only digits count, of any script; returns `None` unless there are six.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter_map(digit).collect();
        (digits.len() == 6).then_some(Self(digits))
    }

    /// For the mail that carries it, and for nothing else.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is kept of it. A plain hash of six digits is undone by a million guesses, so it is
    /// keyed (HMAC-SHA256, RFC 2104); the subject keeps equal codes of two users, or of one for
    /// two purposes, apart.
    pub fn seal(&self, key: &[u8; 32], subject: Subject<'_>) -> Seal {
        let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
        subject.update(&mut mac);
        // The code comes last and has one length, so no two inputs read the same.
        mac.update(self.0.as_bytes());
        Seal(mac.sign().as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

/// Whose code it is, and what for.
#[derive(Clone, Copy)]
pub enum Subject<'a> {
    /// Confirms the address an account was signed up with.
    SignUp(UserId),
    /// Lets whoever reads this address's mail choose a new password.
    Reset(&'a Email),
    /// Confirms the address an account is to have.
    ChangeEmail(UserId),
}

impl Subject<'_> {
    fn update(self, mac: &mut hmac::Context) {
        mac.update(self.label());
        match self {
            Self::SignUp(user) | Self::ChangeEmail(user) => mac.update(user.as_bytes()),
            Self::Reset(email) => mac.update(email.as_str().as_bytes()),
        }
    }

    fn label(self) -> &'static [u8] {
        match self {
            Self::SignUp(_) => b"sign-up",
            Self::Reset(_) => b"reset",
            Self::ChangeEmail(_) => b"change-email",
        }
    }
}

/// A code under the server's key.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seal([u8; 32]);

/// What a code is derived from: random bytes that tell nothing without the server's key.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Salt([u8; 16]);

/// Who presents a code, or asks for one. Tries of the two are counted apart, so that strangers cannot
/// spoil a code for its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presenter {
    /// Somebody with a session or a device of the account, or with an id that only the one who signed
    /// up was told.
    Owner,
    /// Somebody who knows an address.
    Anyone,
}

/// A code that was sent and waits to come back.
#[derive(Clone, Serialize, Deserialize)]
pub struct Challenge {
    seal: Seal,
    /// `None` in a record of an earlier version, whose code cannot be sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    salt: Option<Salt>,
    #[serde(with = "time::serde::timestamp::milliseconds")]
    expires_at: OffsetDateTime,
    wrong_tries: u8,
    #[serde(default)]
    wrong_tries_of_anyone: u8,
}

/// What a try at a [`Challenge`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the code; the challenge is spent.
    Accepted,
    /// It is not the code; the try was counted.
    Wrong,
    /// Too many wrong codes came before, so this one was not looked at.
    Exhausted,
    /// The ten minutes are over.
    Expired,
}

impl Challenge {
    /// Draws a code that is sent at `now`.
    pub fn generate(
        key: &[u8; 32],
        subject: Subject<'_>,
        rng: &mut impl CryptoRng,
        now: OffsetDateTime,
    ) -> Self {
        let salt = Salt(rng.random());
        let seal = Code::derive(key, subject, salt).seal(key, subject);
        Self { salt: Some(salt), ..Self::issue(seal, now) }
    }

    /// For a code that is sent at `now` and never again.
    pub fn issue(seal: Seal, now: OffsetDateTime) -> Self {
        let expires_at = now + LIFETIME;
        Self { seal, salt: None, expires_at, wrong_tries: 0, wrong_tries_of_anyone: 0 }
    }

    /// Returns the code, for a mail; `None` if it cannot be derived, as under the key of the server
    /// that an export came from.
    pub fn code(&self, key: &[u8; 32], subject: Subject<'_>) -> Option<Code> {
        let code = Code::derive(key, subject, self.salt?);
        bool::from(code.seal(key, subject).0.ct_eq(&self.seal.0)).then_some(code)
    }

    /// Returns the mail that carries its code.
    pub fn mail(&self, subject: MailSubject) -> QueuedMail {
        QueuedMail::new(subject, self.expires_at)
    }

    /// Returns the challenge that waits after `asker` asked for a code once more: this one, good for
    /// another [`LIFETIME`], as long as the asker has tries left. Tries are not given back.
    pub fn renewed(mut self, asker: Presenter, now: OffsetDateTime) -> Option<Self> {
        if self.salt.is_none() || self.is_expired(now) || self.is_exhausted(asker) {
            return None;
        }
        self.expires_at = now + LIFETIME;
        Some(self)
    }

    /// Whether the ten minutes are over.
    pub fn is_expired(&self, now: OffsetDateTime) -> bool {
        now >= self.expires_at
    }

    /// Whether even the right code of `presenter` is refused.
    pub fn is_exhausted(&self, presenter: Presenter) -> bool {
        match presenter {
            Presenter::Owner => self.wrong_tries >= MAX_TRIES,
            Presenter::Anyone => self.wrong_tries_of_anyone >= MAX_TRIES_OF_ANYONE,
        }
    }

    /// Whether the right code would be accepted of any of these.
    pub fn is_open(&self, presenters: &[Presenter], now: OffsetDateTime) -> bool {
        !self.is_expired(now) && !presenters.iter().all(|it| self.is_exhausted(*it))
    }

    /// Judges a candidate and counts it if it is wrong. The caller stores the counted challenge,
    /// or removes the accepted one, in the same transaction it was read in.
    pub fn attempt(
        &mut self,
        candidate: &Seal,
        presenter: Presenter,
        now: OffsetDateTime,
    ) -> Verdict {
        if self.is_expired(now) {
            Verdict::Expired
        } else if self.is_exhausted(presenter) {
            Verdict::Exhausted
        } else if bool::from(self.seal.0.ct_eq(&candidate.0)) {
            Verdict::Accepted
        } else {
            match presenter {
                Presenter::Owner => self.wrong_tries += 1,
                Presenter::Anyone => self.wrong_tries_of_anyone += 1,
            }
            Verdict::Wrong
        }
    }
}

#[cfg(test)]
mod tests;
