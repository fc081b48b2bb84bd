//! One WebSocket (RFC 6455), seen from the client's end, on a socket that never blocks: no task, no
//! buffer while nothing is under way, and no more of the protocol than our server speaks.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::SocketAddr,
};

use mio::{Interest, Registry, Token, net::TcpStream};

/// Our server's longest event is a fourth of this.
const MAX_FRAME_BYTES: usize = 256 * 1024;
const MAX_HEAD_BYTES: usize = 16 * 1024;

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Why a socket is of no more use, in a word that is counted.
pub(crate) type Gone = String;

/// What came in.
pub(crate) enum Incoming<'a> {
    /// The upgrade was accepted.
    Opened,
    /// A message.
    Text(&'a [u8]),
}

pub(crate) struct Socket {
    stream: TcpStream,
    stage: Stage,
    /// The beginning of a frame whose end has not come yet.
    rest: Vec<u8>,
    /// What the system had no room for yet.
    unsent: Vec<u8>,
}

#[derive(PartialEq, Eq)]
enum Stage {
    Connecting { upgrade: Vec<u8> },
    Upgrading,
    Open,
}

impl Socket {
    /// Begins to connect; `upgrade` is said as soon as somebody listens.
    pub(crate) fn connect(
        address: SocketAddr,
        upgrade: Vec<u8>,
        registry: &Registry,
        token: Token,
    ) -> Result<Self, Gone> {
        let mut stream = TcpStream::connect(address).map_err(|error| gone(&error))?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut stream, token, interest).map_err(|error| gone(&error))?;
        let stage = Stage::Connecting { upgrade };
        Ok(Self { stream, stage, rest: Vec::new(), unsent: Vec::new() })
    }

    /// Goes on with what had to wait.
    pub(crate) fn writable(&mut self) -> Result<(), Gone> {
        if let Stage::Connecting { upgrade } = &mut self.stage {
            if let Some(error) = self.stream.take_error().map_err(|error| gone(&error))? {
                return Err(gone(&error));
            }
            if self.stream.peer_addr().is_err() {
                return Ok(());
            }
            self.unsent = std::mem::take(upgrade);
            self.stage = Stage::Upgrading;
            self.stream.set_nodelay(true).map_err(|error| gone(&error))?;
        }
        let unsent = std::mem::take(&mut self.unsent);
        self.write(&unsent)
    }

    /// Reads all there is, through a buffer shared by all sockets.
    pub(crate) fn readable(
        &mut self,
        scratch: &mut [u8],
        mut hear: impl FnMut(Incoming<'_>),
    ) -> Result<(), Gone> {
        if matches!(self.stage, Stage::Connecting { .. }) {
            return Ok(());
        }
        loop {
            let count = match self.stream.read(scratch) {
                Ok(0) => return Err("hung up".into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(gone(&error)),
            };
            if self.rest.is_empty() {
                let used = self.take(&scratch[..count], &mut hear)?;
                self.rest.extend_from_slice(&scratch[used..count]);
            } else {
                let mut bytes = std::mem::take(&mut self.rest);
                bytes.extend_from_slice(&scratch[..count]);
                let used = self.take(&bytes, &mut hear)?;
                // An idle socket keeps no buffer, so ten thousand of them cost little.
                self.rest = bytes[used..].to_vec();
            }
        }
    }

    /// Takes what is whole out of `bytes`; how many bytes that was.
    fn take(&mut self, bytes: &[u8], hear: &mut impl FnMut(Incoming<'_>)) -> Result<usize, Gone> {
        let mut used = 0;
        if self.stage == Stage::Upgrading {
            let Some(length) = accepted(bytes)? else { return Ok(0) };
            (self.stage, used) = (Stage::Open, length);
            hear(Incoming::Opened);
        }
        while let Some(frame) = Frame::parse(&bytes[used..])? {
            used += frame.length;
            match frame.opcode {
                TEXT => hear(Incoming::Text(frame.payload)),
                PING => self.write(&frame_of(PONG, frame.payload))?,
                PONG => {}
                CLOSE => {
                    let code = frame.payload.first_chunk().map_or(1005, |b| u16::from_be_bytes(*b));
                    return Err(format!("closed with {code}"));
                }
                other => return Err(format!("frame of kind {other}")),
            }
        }
        Ok(used)
    }

    /// Says a message.
    pub(crate) fn say(&mut self, text: &str) -> Result<(), Gone> {
        self.write(&frame_of(TEXT, text.as_bytes()))
    }

    /// Says goodbye, as far as that goes without waiting.
    pub(crate) fn close(mut self) {
        let _ = self.write(&frame_of(CLOSE, &1000_u16.to_be_bytes()));
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            return Ok(());
        }
        let mut left = bytes;
        while !left.is_empty() {
            match self.stream.write(left) {
                Ok(count) => left = &left[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.unsent.extend_from_slice(left);
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(gone(&error)),
            }
        }
        Ok(())
    }
}

fn gone(error: &io::Error) -> Gone {
    error.kind().to_string()
}

/// Length of the answer to the upgrade once it is whole; an error if it is no `101`.
fn accepted(bytes: &[u8]) -> Result<Option<usize>, Gone> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() > MAX_HEAD_BYTES { Err("endless answer".into()) } else { Ok(None) };
    };
    let status = bytes.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
    match status {
        Some("101") => Ok(Some(end + 4)),
        Some(status) => Err(format!("refused with {status}")),
        None => Err("no HTTP".into()),
    }
}

struct Frame<'a> {
    opcode: u8,
    payload: &'a [u8],
    /// With its header.
    length: usize,
}

impl<'a> Frame<'a> {
    /// The frame at the beginning of `bytes`, if it is whole.
    fn parse(bytes: &'a [u8]) -> Result<Option<Self>, Gone> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        if first & 0xf0 != 0x80 || second & 0x80 != 0 {
            return Err("odd frame".into());
        }
        let (header, size) = match second {
            126 => match rest.first_chunk() {
                Some(size) => (4, u16::from_be_bytes(*size).into()),
                None => return Ok(None),
            },
            127 => match rest.first_chunk() {
                Some(size) => {
                    (10, usize::try_from(u64::from_be_bytes(*size)).unwrap_or(usize::MAX))
                }
                None => return Ok(None),
            },
            short => (2, usize::from(*short)),
        };
        if size > MAX_FRAME_BYTES {
            return Err("frame without end".into());
        }
        let Some(payload) = bytes.get(header..header + size) else { return Ok(None) };
        Ok(Some(Self { opcode: first & 0x0f, payload, length: header + size }))
    }
}

/// A frame as clients send it. Masks keep scripts in browsers from speaking to proxies in their
/// own words; there is neither here, so the mask is zero and costs nothing.
fn frame_of(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 14);
    frame.push(0x80 | opcode);
    match payload.len() {
        short @ 0..=125 => frame.push(0x80 | short as u8),
        long @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(long as u16).to_be_bytes());
        }
        longer => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(longer as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a server sends it: without the mask.
    fn unmasked(payload: &[u8]) -> Vec<u8> {
        let mut frame = frame_of(TEXT, payload);
        let mask = frame.len() - payload.len() - 4;
        frame.drain(mask..mask + 4);
        frame[1] &= 0x7f;
        frame
    }

    #[test]
    fn frames_of_every_length_are_read_once_they_are_whole() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 200_000] {
            let payload = vec![b'x'; length];
            let frame = unmasked(&payload);
            for cut in [0, 1, 2, 3, 9, frame.len() - 1].into_iter().filter(|cut| *cut < frame.len())
            {
                assert!(Frame::parse(&frame[..cut]).expect("a beginning").is_none(), "{cut}");
            }
            let read = Frame::parse(&frame).expect("a frame").expect("whole");
            assert_eq!((read.opcode, read.payload, read.length), (TEXT, &payload[..], frame.len()));
        }
    }

    #[test]
    fn what_is_no_frame_of_a_server_is_an_error() {
        let endless = [0x81, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        for bad in [&[0x01, 0x00][..], &[0x81, 0x80], &[0xc1, 0x00], &endless] {
            assert!(Frame::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_answer_to_the_upgrade_is_told_from_a_refusal() {
        assert_eq!(accepted(b"HTTP/1.1 101 Switching Protocols\r\n"), Ok(None));
        assert_eq!(accepted(b"HTTP/1.1 101 Switching\r\na: b\r\n\r\n\x81"), Ok(Some(32)));
        assert_eq!(accepted(b"HTTP/1.1 401 No\r\n\r\n"), Err("refused with 401".to_owned()));
        assert!(accepted(&[b'x'; MAX_HEAD_BYTES + 1]).is_err());
    }
}
