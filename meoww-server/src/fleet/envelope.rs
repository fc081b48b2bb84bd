//! The proof that a message between nodes comes from one that knows the secrets of the fleet: behind
//! the body stands its HMAC-SHA-256 (RFC 2104), 32 bytes. Who sends it to whom, and that it is no
//! copy of an earlier one, is in the body.

use bytes::{Bytes, BytesMut};
use ring::hmac;
use uuid::Uuid;

use crate::core::fleet::NodeId;

const TAG: usize = 32;

/// The key of one fleet: of the secrets that its nodes share, and of their database. A copy of a
/// fleet's settings with a database of its own is another fleet.
#[derive(Clone, Debug)]
pub(crate) struct BusKey {
    messages: hmac::Key,
    /// First part of every subject, so that fleets share a NATS cluster and do not hear each other.
    prefix: String,
}

/// The sender does not know the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forged;

impl BusKey {
    /// Derives the key of a fleet. `database` is drawn once for each database.
    pub(crate) fn derive(access: &[u8], otp: &[u8], database: Uuid) -> Self {
        let derived = |purpose: &[u8]| {
            let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, access));
            for part in [purpose, database.as_bytes(), otp] {
                context.update(part);
            }
            context.sign()
        };
        let (messages, subjects) = (derived(b"fleet messages"), derived(b"fleet subjects"));
        Self {
            messages: hmac::Key::new(hmac::HMAC_SHA256, messages.as_ref()),
            prefix: format!("meoww.{}", hex(&subjects.as_ref()[..8])),
        }
    }

    /// Returns the subject on which a node listens, or all do.
    pub(crate) fn subject(&self, to: Option<NodeId>) -> String {
        match to {
            Some(node) => format!("{}.node.{node}", self.prefix),
            None => format!("{}.all", self.prefix),
        }
    }

    /// Makes a message of a body.
    pub(crate) fn seal(&self, body: &[u8]) -> Bytes {
        let mut message = BytesMut::with_capacity(body.len() + TAG);
        message.extend_from_slice(body);
        message.extend_from_slice(hmac::sign(&self.messages, body).as_ref());
        message.freeze()
    }

    /// Returns the body of a message, whatever that is.
    pub(crate) fn open(&self, message: &Bytes) -> Result<Bytes, Forged> {
        let end = message.len().checked_sub(TAG).ok_or(Forged)?;
        let (body, tag) = message.split_at(end);
        hmac::verify(&self.messages, body, tag).map_err(|_| Forged)?;
        Ok(message.slice(..end))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(access: u8, otp: u8, database: u128) -> BusKey {
        BusKey::derive(&[access; 32], &[otp; 32], Uuid::from_u128(database))
    }

    /// Computed with Python's `hmac` and `hashlib`.
    #[test]
    fn a_message_lies_as_documented() {
        let key = key(1, 2, 3);
        let message = key.seal(b"hello");
        assert_eq!(message[..5], *b"hello");
        assert_eq!(
            hex(&message[5..]),
            "6f7c5e79afb7e9365c34698d3f56d2140471eb4c4bed43245f17438013b782fa"
        );
        assert_eq!(key.subject(None), "meoww.400170ba454a4005.all");
        assert_eq!(key.subject(NodeId::new(7)), "meoww.400170ba454a4005.node.7");
    }

    #[test]
    fn another_secret_or_database_is_another_fleet() {
        let ours = key(1, 2, 3);
        let message = ours.seal(b"ours");
        assert_eq!(key(1, 2, 3).open(&message), Ok(Bytes::from_static(b"ours")));
        for other in [key(9, 2, 3), key(1, 9, 3), key(1, 2, 9)] {
            assert_eq!(other.open(&message), Err(Forged));
            assert_ne!(other.subject(None), ours.subject(None));
        }
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_unless_one_bit_differs(
            body in proptest::collection::vec(any::<u8>(), 0..200),
            flipped in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let key = key(1, 2, 3);
            let message = key.seal(&body);
            prop_assert_eq!(key.open(&message), Ok(Bytes::from(body)));
            let mut forged = message.to_vec();
            forged[flipped.index(message.len())] ^= 1_u8 << bit;
            prop_assert_eq!(key.open(&forged.into()), Err(Forged));
        }

        #[test]
        fn bytes_of_any_length_are_no_message(
            bytes in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            prop_assert_eq!(key(1, 2, 3).open(&bytes.into()), Err(Forged));
        }
    }
}
