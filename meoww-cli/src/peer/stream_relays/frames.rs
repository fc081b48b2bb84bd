//! TURN over a stream: each message says how long it is (RFC 8489, section 5; RFC 8656, section 12.5).

use std::{borrow::Cow, io};

use tokio::io::{AsyncRead, AsyncReadExt};

/// Type and length, which both kinds of messages begin with.
const BEGINNING: usize = 4;
/// The rest of a STUN header, which the length does not count.
const STUN_HEADER: usize = 20;
/// Messages end at a multiple of it.
const ALIGNMENT: usize = 4;
/// The longest message: more than any datagram on the way to the partner.
pub(super) const MAX_MESSAGE: usize = 4096;

/// The length of a message on the wire, and without what fills it up; `None` when it is neither kind.
fn lengths([first, _, l0, l1]: [u8; BEGINNING]) -> Option<(usize, usize)> {
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let whole = match first {
        0x00..=0x3f => STUN_HEADER + length,
        0x40..=0x7f => BEGINNING + length,
        _ => return None,
    };
    Some((whole.next_multiple_of(ALIGNMENT), whole))
}

/// A message as it is written: filled up, as data on a channel is not over UDP.
pub(crate) fn written(message: &[u8]) -> Cow<'_, [u8]> {
    if message.len().is_multiple_of(ALIGNMENT) {
        return Cow::Borrowed(message);
    }
    let mut filled = message.to_vec();
    filled.resize(message.len().next_multiple_of(ALIGNMENT), 0);
    Cow::Owned(filled)
}

/// Reads the next message.
///
/// # Errors
///
/// When the stream ends, or what comes is no message, or one that is too long.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut beginning = [0; BEGINNING];
    stream.read_exact(&mut beginning).await?;
    let lengths = lengths(beginning).filter(|(wire, _)| *wire <= MAX_MESSAGE);
    let (wire, whole) = lengths.ok_or(io::ErrorKind::InvalidData)?;
    let mut message = beginning.to_vec();
    message.resize(wire.max(BEGINNING), 0);
    stream.read_exact(&mut message[BEGINNING..]).await?;
    message.truncate(whole);
    Ok(message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All messages of a stream, and the kind of error it ends with.
    fn all(mut stream: &[u8]) -> (Vec<Vec<u8>>, io::ErrorKind) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut messages = Vec::new();
        loop {
            match runtime.block_on(read(&mut stream)) {
                Ok(message) => messages.push(message),
                Err(error) => return (messages, error.kind()),
            }
        }
    }

    fn stun(attributes: &[u8]) -> Vec<u8> {
        let mut message = vec![0x01, 0x01, 0, attributes.len() as u8];
        message.extend([0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        message.extend(attributes);
        message
    }

    #[test]
    fn data_on_a_channel_is_filled_up_to_four_bytes() {
        let data = [0x40, 0, 0, 5, 1, 2, 3, 4, 5];
        let filled = [0x40, 0, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0];
        assert_eq!(*written(&data), filled);
        let (request, empty) = (stun(&[7; 8]), [0x7f, 0xff, 0, 0]);
        let stream = [&filled[..], &request, &empty, &filled].concat();
        let (messages, end) = all(&stream);
        assert_eq!(messages, [data.to_vec(), request, empty.to_vec(), data.to_vec()]);
        assert_eq!(end, io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_no_message_ends_the_stream() {
        assert_eq!(all(b"HTTP/1.1 400 Bad Request").0.len(), 0);
        assert_eq!(all(&[0x80, 0, 0, 0]).1, io::ErrorKind::InvalidData);
        assert_eq!(all(&[0x40, 0, 0xff, 0xff]).1, io::ErrorKind::InvalidData);
    }

    proptest! {
        #[test]
        fn messages_are_read_as_they_were_written(
            messages in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..200)), 0..10),
            noise in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let messages = messages.into_iter().map(|(is_stun, mut body)| match is_stun {
                true => {
                    body.truncate(body.len() / 4 * 4);
                    stun(&body)
                }
                false => [&[0x41, 2, 0, body.len() as u8], &body[..]].concat(),
            });
            let messages: Vec<_> = messages.collect();
            let stream = messages.iter().flat_map(|message| written(message).into_owned());
            prop_assert_eq!(all(&stream.collect::<Vec<_>>()).0, messages);
            all(&noise);
        }
    }
}
