//! The border between sound and the connection of one call: Opus frames out, RTP payloads in.
//!
//! Both directions are bounded and never wait: a frame that finds its queue full is dropped.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

pub use super::figures::{Figures, RoomFigures};

/// The most bytes of one Opus frame that are sent or decoded (RFC 6716, section 3.2.1 allows 1,275 a
/// frame; a packet holds one frame of 20 ms here).
pub const MAX_OPUS_BYTES: usize = 1_275;

/// One encoded frame, to be sent at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpusFrame {
    /// When its first sample was recorded, as far as is known: a device may have held it back.
    pub captured: Instant,
    /// Samples at 48 kHz since sound began in this room; jumps over frames that DTX left out. The
    /// RTP timestamp is this plus a random offset.
    pub timestamp: u32,
    /// Whether it is the first after silence: the marker bit (RFC 7587, section 4.1).
    pub starts_talk: bool,
    /// The Opus packet.
    pub payload: Bytes,
}

/// A packet of the partner's sound, or a report on its clock.
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

/// The moment of the sender that is being played, for pictures to be shown in step with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Playing {
    /// The moment of the sender's clock whose sound is played: NTP time, 32.32 fixed point.
    pub ntp: u64,
    /// When it is heard.
    pub at: Instant,
}

/// The sound of one room, as its connection sees it. Sound ends when it is dropped.
#[derive(Debug)]
pub struct RoomSound {
    /// Frames to send, oldest first.
    pub outgoing: mpsc::Receiver<OpusFrame>,
    /// Where the partner's packets go.
    pub incoming: mpsc::Sender<Received>,
    /// Whether the microphone is on, unless it is muted. Off to begin with: say so when the picture
    /// is up.
    pub is_live: watch::Sender<bool>,
    /// Bits a second that the encoder may take.
    pub bitrate: watch::Sender<u32>,
    /// The share of packets that the partner loses, 0 to 100; sets the encoder's error correction.
    pub loss_percent: watch::Sender<u8>,
    /// The moment of the partner's sound that is being played; `None` before the first sender report.
    pub playing: watch::Receiver<Option<Playing>>,
    /// How long the partner's packets wait at least, 200 ms at most: sound that is ahead of the
    /// picture waits for it. Zero to begin with.
    pub wait_at_least: watch::Sender<Duration>,
    /// Counts and levels of this room.
    pub figures: Arc<RoomFigures>,
}

impl RoomSound {
    /// Of a side that neither says nor hears anything.
    pub fn silent() -> Self {
        pair().0
    }
}

/// Frames that wait to be sent: 400 ms. Newer ones are dropped, as the connection does not move.
const MAX_OUTGOING: usize = 20;
/// Packets that wait to be played, between two looks at them: a burst after an outage of 5 s. Newer
/// ones are dropped.
const MAX_INCOMING: usize = 256;
/// Bits a second to begin with.
const START_BPS: u32 = 32_000;

/// The other end of [`RoomSound`]: that of the sound thread.
#[derive(Debug)]
pub struct RoomEnd {
    pub outgoing: mpsc::Sender<OpusFrame>,
    pub incoming: mpsc::Receiver<Received>,
    pub is_live: watch::Receiver<bool>,
    pub bitrate: watch::Receiver<u32>,
    pub loss_percent: watch::Receiver<u8>,
    pub playing: watch::Sender<Option<Playing>>,
    pub wait_at_least: watch::Receiver<Duration>,
    pub figures: Arc<RoomFigures>,
}

/// Both ends of the border of one room.
pub fn pair() -> (RoomSound, RoomEnd) {
    let (frames, outgoing) = mpsc::channel(MAX_OUTGOING);
    let (incoming, packets) = mpsc::channel(MAX_INCOMING);
    let (is_live, live) = watch::channel(false);
    let (bitrate, bps) = watch::channel(START_BPS);
    let (loss_percent, loss) = watch::channel(0);
    let (played, playing) = watch::channel(None);
    let (wait_at_least, wait) = watch::channel(Duration::ZERO);
    let figures = Arc::new(RoomFigures::default());
    let end = RoomEnd {
        outgoing: frames,
        incoming: packets,
        is_live: live,
        bitrate: bps,
        loss_percent: loss,
        playing: played,
        wait_at_least: wait,
        figures: figures.clone(),
    };
    let sound = RoomSound {
        outgoing,
        incoming,
        is_live,
        bitrate,
        loss_percent,
        playing,
        wait_at_least,
        figures,
    };
    (sound, end)
}
