//! Repeats what this side says in the DTLS handshake until the partner has answered it.
//!
//! The `rtc` crate repeats a flight after a second (RFC 6347, section 4.2.4), and no more once a message
//! came that completes none. If one flight is lost, both sides repeat theirs a second later: the one
//! whose timer is a moment late hears the other's, stops its own, and the handshake stands still until
//! it fails. Here each datagram is sent again, sooner: in the place of one that was lost, it is as good;
//! after one that arrived, replay protection drops it (section 4.1.2.6), as its numbers are the same.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

/// From a datagram to its first copy, which is longer than most paths are; twice as long to each of the next.
const FIRST_GAP: Duration = Duration::from_millis(150);
/// Copies of a datagram that is not answered: the last after ten seconds.
const COPIES: u32 = 6;
/// Datagrams that wait for an answer. A flight has two or three.
const MAX_WAITING: usize = 16;

/// A record's header (section 4.1): type, version, epoch, number, length.
const HEADER: usize = 13;
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
/// Where a message of the handshake has its number (section 4.2.2).
const MESSAGE_NUMBER: usize = 4;

/// Whether a packet is part of a DTLS handshake, or the first that comes after one. All of it would be
/// too much to look at: data goes over DTLS, too.
pub(super) fn is_handshake(packet: &[u8]) -> bool {
    packet.first().is_some_and(|kind| [CHANGE_CIPHER_SPEC, HANDSHAKE].contains(kind))
}

/// Whether a packet is DTLS at all (RFC 7983, section 7).
pub(super) fn is_dtls(packet: &[u8]) -> bool {
    packet.first().is_some_and(|kind| (20..64).contains(kind))
}

/// Datagrams of one connection that are not answered; each with what is needed to send it again.
pub(crate) struct Repeats<T> {
    /// Number of the newest message that came in the clear.
    heard: Option<u16>,
    /// What came that is encrypted: the end of the partner's handshake, and data after it.
    finished: bool,
    established: bool,
    waiting: Vec<Repeat<T>>,
}

struct Repeat<T> {
    due: Instant,
    copies: u32,
    datagram: T,
}

impl<T> Default for Repeats<T> {
    fn default() -> Self {
        Self { heard: None, finished: false, established: false, waiting: Vec::new() }
    }
}

impl<T: Clone> Repeats<T> {
    /// A datagram of the handshake was sent.
    pub(crate) fn sent(&mut self, now: Instant, datagram: T) {
        if self.waiting.len() == MAX_WAITING {
            self.waiting.remove(0);
        }
        self.waiting.push(Repeat { due: now + FIRST_GAP, copies: 0, datagram });
    }

    /// A packet of DTLS came. The partner says something new once it has all that was said before.
    pub(crate) fn received(&mut self, packet: &[u8]) {
        let mut is_answer = false;
        for Record { kind, epoch, message } in records(packet) {
            is_answer |= match (kind, epoch) {
                (HANDSHAKE, 0) => {
                    let is_new = message > self.heard;
                    self.heard = self.heard.max(message);
                    is_new
                }
                (HANDSHAKE, _) => !std::mem::replace(&mut self.finished, true),
                (APPLICATION_DATA, _) => !std::mem::replace(&mut self.established, true),
                _ => false,
            };
        }
        if is_answer {
            self.waiting.clear();
        }
    }

    /// When a copy is to be sent.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.waiting.iter().map(|repeat| repeat.due).min()
    }

    /// The copies that are to be sent now.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<T> {
        let due = self.waiting.iter_mut().filter(|repeat| repeat.due <= now);
        let copies = due.map(|repeat| {
            repeat.copies += 1;
            repeat.due = now + FIRST_GAP * 2_u32.saturating_pow(repeat.copies);
            repeat.datagram.clone()
        });
        let copies = copies.collect();
        self.waiting.retain(|repeat| repeat.copies < COPIES);
        copies
    }
}

struct Record {
    kind: u8,
    epoch: u16,
    /// Of a message of the handshake, where it can be read.
    message: Option<u16>,
}

/// The records of a datagram, up to one that is cut off.
fn records(mut datagram: &[u8]) -> impl Iterator<Item = Record> {
    std::iter::from_fn(move || {
        let header = datagram.first_chunk::<HEADER>()?;
        let [kind, _, _, e0, e1, .., l0, l1] = *header;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let (record, rest) = datagram.get(HEADER..)?.split_at_checked(length)?;
        datagram = rest;
        let number = record.get(MESSAGE_NUMBER..).and_then(|from| from.first_chunk::<2>());
        let message = number.map(|number| u16::from_be_bytes(*number));
        Some(Record { kind, epoch: u16::from_be_bytes([e0, e1]), message })
    })
}
