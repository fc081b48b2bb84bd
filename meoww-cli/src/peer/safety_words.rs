//! Safety words: four words that both sides show, equal only if nobody sits between them.
//!
//! The server passes on both descriptions, so it could terminate both calls itself, each with a
//! certificate of its own. The words are a short authentication string in the manner of ZRTP (RFC
//! 6189, section 4.4.1.1): a hash of both DTLS certificates' fingerprints, of the room, and of one
//! random number of each side. Each side first sends a commitment (a hash of its number) and shows
//! the number only once it has the other's commitment. So someone in the middle has to fix all
//! numbers of its own before it learns those of the two ends, and has one guess of 2^44: it cannot
//! search for certificates or numbers that fit.
//!
//! ```text
//!   Committed --their commitment: send own number--> Revealed --their number fits--> words
//!       \------------ anything out of turn, or a number that does not fit ---------> broken
//! ```

use std::fmt;

use meoww_proto::RoomId;
use ring::digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::core::event::SAFETY_WORDS;

/// A SHA-256 hash or a random number, 64 lower-case hexadecimal digits in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bytes32(pub(crate) [u8; 32]);

/// The two ends of a connection; each commits in its own name, so that a commitment sent back to
/// where it came from fits nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Initiator,
    Responder,
}

/// The certificates of a connection, as the fingerprints that DTLS has checked (RFC 8122, section 5):
/// the hash function's name, a space, and hexadecimal digits with colons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fingerprints {
    pub(super) own: String,
    pub(super) partner: String,
}

/// One message of the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", content = "value", rename_all = "lowercase")]
pub(crate) enum Said {
    /// The hash of the number that will be shown.
    Commit(Bytes32),
    /// The number.
    Reveal(Bytes32),
}

/// The result of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Say this to the partner.
    Say(Said),
    /// The words of this connection.
    Words([&'static str; SAFETY_WORDS]),
    /// The other end does not do as agreed; there will be no words.
    Broken,
}

/// One exchange, from the opening of the data channel to the words.
#[derive(Debug)]
pub(super) struct SafetyWords {
    role: Role,
    room: RoomId,
    fingerprints: Fingerprints,
    nonce: Bytes32,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Committed,
    Revealed { theirs: Bytes32 },
    Over,
}

impl SafetyWords {
    /// Begins, and returns what to say first. `nonce` is 32 random bytes, never used again.
    pub(super) fn start(
        role: Role,
        room: RoomId,
        fingerprints: Fingerprints,
        nonce: [u8; 32],
    ) -> (Self, Said) {
        let nonce = Bytes32(nonce);
        let commitment = commitment(role, room, &fingerprints.own, nonce);
        (
            Self { role, room, fingerprints, nonce, state: State::Committed },
            Said::Commit(commitment),
        )
    }

    /// Takes what the partner said. Once there are words, or none can be, nothing more comes.
    pub(super) fn handle(&mut self, said: Said) -> Option<Outcome> {
        let (state, outcome) = match (self.state, said) {
            (State::Over, _) => return None,
            (State::Committed, Said::Commit(theirs)) => {
                (State::Revealed { theirs }, Outcome::Say(Said::Reveal(self.nonce)))
            }
            (State::Revealed { theirs }, Said::Reveal(number)) => {
                let fits =
                    commitment(self.role.other(), self.room, &self.fingerprints.partner, number)
                        == theirs;
                (
                    State::Over,
                    if fits { Outcome::Words(self.words(number)) } else { Outcome::Broken },
                )
            }
            (State::Committed, Said::Reveal(_)) | (State::Revealed { .. }, Said::Commit(_)) => {
                (State::Over, Outcome::Broken)
            }
        };
        self.state = state;
        Some(outcome)
    }

    fn words(&self, theirs: Bytes32) -> [&'static str; SAFETY_WORDS] {
        let own = (self.fingerprints.own.as_str(), self.nonce);
        let partner = (self.fingerprints.partner.as_str(), theirs);
        let (initiator, responder) = match self.role {
            Role::Initiator => (own, partner),
            Role::Responder => (partner, own),
        };
        let room = self.room.to_string();
        let Bytes32(hash) = hash(&[
            b"meoww safety words",
            room.as_bytes(),
            &fingerprint_bytes(initiator.0),
            &fingerprint_bytes(responder.0),
            &initiator.1.0,
            &responder.1.0,
        ]);
        let bits = hash[..8].iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        let list = bip39::Language::English.word_list();
        std::array::from_fn(|n| list[(bits >> (53 - 11 * n)) as usize & 0x7ff])
    }
}

impl Role {
    fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }

    fn label(self) -> &'static [u8] {
        match self {
            Self::Initiator => b"initiator",
            Self::Responder => b"responder",
        }
    }
}

fn commitment(role: Role, room: RoomId, fingerprint: &str, nonce: Bytes32) -> Bytes32 {
    let room = room.to_string();
    let fingerprint = fingerprint_bytes(fingerprint);
    hash(&[b"meoww safety commitment", role.label(), room.as_bytes(), &fingerprint, &nonce.0])
}

/// Fingerprints are compared without regard to letter case (RFC 8122, section 5).
fn fingerprint_bytes(fingerprint: &str) -> Vec<u8> {
    fingerprint.to_ascii_lowercase().into_bytes()
}

/// SHA-256 of fields, each after its length as four bytes, the highest first.
fn hash(fields: &[&[u8]]) -> Bytes32 {
    let mut context = digest::Context::new(&digest::SHA256);
    for field in fields {
        context.update(&(field.len() as u32).to_be_bytes());
        context.update(field);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    Bytes32(hash)
}

impl fmt::Display for Bytes32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Bytes32 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes32 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        let malformed = || D::Error::custom("64 lower-case hexadecimal digits are expected");
        let digits = text.as_bytes();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return Err(malformed());
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            for digit in pair {
                let value = match digit {
                    b'0'..=b'9' => digit - b'0',
                    b'a'..=b'f' => digit - b'a' + 10,
                    _ => return Err(malformed()),
                };
                *byte = *byte << 4 | value;
            }
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
#[path = "safety_words_tests.rs"]
mod tests;
