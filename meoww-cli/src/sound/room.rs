//! The border between sound and the connection of one call: Opus frames out, RTP payloads in.
//!
//! Both directions are bounded and never wait: a frame that finds its queue full is dropped.

use std::time::Instant;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

/// The most bytes of one Opus frame that are sent or decoded (RFC 6716, section 3.2.1 allows 1,275 a
/// frame; a packet holds one frame of 20 ms here).
pub const MAX_OPUS_BYTES: usize = 1_275;

/// One encoded frame, to be sent at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpusFrame {
    /// Samples at 48 kHz since sound began in this room; jumps over frames that DTX left out. The
    /// RTP timestamp is this plus a random offset.
    pub timestamp: u32,
    /// Whether it is the first after silence: the marker bit (RFC 7587, section 4.1).
    pub starts_talk: bool,
    /// What the encoder made.
    pub payload: Bytes,
}

/// What the connection receives for the partner's sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// One RTP packet of the audio track.
    Packet(OpusPacket),
    /// The RTP timestamp of the audio track that corresponds to a moment of the sender's clock, from
    /// an RTCP sender report (RFC 3550, section 6.4.1).
    SenderReport {
        /// NTP time, 32.32 fixed point.
        ntp: u64,
        /// RTP time at that moment.
        timestamp: u32,
    },
}

/// One RTP packet of the audio track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpusPacket {
    /// The synchronisation source; another one is another stream.
    pub ssrc: u32,
    /// The RTP sequence number.
    pub sequence: u16,
    /// The RTP timestamp, at 48 kHz.
    pub timestamp: u32,
    /// An Opus packet, of [`MAX_OPUS_BYTES`] at most.
    pub payload: Bytes,
    /// When it came.
    pub arrived: Instant,
}

/// The sound of one room, as its connection sees it. Sound ends when it is dropped.
#[derive(Debug)]
pub struct RoomSound {
    /// Frames to send, oldest first.
    pub outgoing: mpsc::Receiver<OpusFrame>,
    /// Where the partner's packets go.
    pub incoming: mpsc::Sender<Received>,
    /// Bits a second that the encoder may take.
    pub bitrate: watch::Sender<u32>,
    /// The share of packets that the partner loses, 0 to 100; sets the encoder's error correction.
    pub loss_percent: watch::Sender<u8>,
}

impl RoomSound {
    /// Of a side that neither says nor hears anything.
    pub fn silent() -> Self {
        let (incoming, _) = mpsc::channel(1);
        Self {
            outgoing: mpsc::channel(1).1,
            incoming,
            bitrate: watch::channel(0).0,
            loss_percent: watch::channel(0).0,
        }
    }
}
