//! The sending half of a call: newest picture -> scale -> encode -> track, on a thread of its own.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use bytes::Bytes;
use meoww_paint::{Frame, Scaler};
use rtc::{
    rtcp::payload_feedbacks::{
        full_intra_request::FullIntraRequest, picture_loss_indication::PictureLossIndication,
    },
    rtp::{self, codec::h264::H264Payloader, packetizer::Payloader},
};
use tokio::{runtime::Handle, sync::watch};
use webrtc::media_stream::track_local::TrackLocalEvent;

use super::{
    super::{
        allocate::Shares,
        codecs::VIDEO_RATE,
        stats::{Tally, count},
    },
    shape::{Plan, Shape},
    stream::{LocalTrack, Stream},
};
use crate::{
    clock,
    picture::{encode::Encoder, slot::FrameSlot, wanted::Wanted},
};

/// Settings of the session for what is sent. The thread ends when its other end is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Orders {
    /// RTP payload type that was negotiated; `None` before there is a connection.
    pub(super) payload_type: Option<u8>,
    /// What the partner can show.
    pub(super) wanted: Wanted,
    /// Whether sound takes its share of the path.
    pub(super) with_sound: bool,
}

/// All the thread needs.
pub(super) struct Sender {
    pub(super) pictures: FrameSlot,
    pub(super) orders: watch::Receiver<Orders>,
    pub(super) estimate: watch::Receiver<u32>,
    /// Whether each packet is sent twice.
    pub(super) twice: watch::Receiver<bool>,
    pub(super) track: LocalTrack,
    pub(super) tally: Arc<Tally>,
}

/// Why the thread woke up.
enum Wake {
    Picture,
    Orders,
    KeyframeRequest,
    /// A report that says nothing here.
    Report,
    End,
}

/// Bytes of an RTP packet of a picture, with its header: the rest of a usual path's 1,500 is for the
/// headers below it.
const MAX_PACKET: usize = 1_200;
const HEADER: usize = 12;

/// State of the thread.
struct State {
    scaler: Scaler,
    encoder: Encoder,
    began: Instant,
    shape: Shape,
    packetizer: Packetizer,
}

/// A picture that is coded.
struct Coded {
    /// When it was captured.
    at: Instant,
    data: Bytes,
}

/// From coded pictures to RTP packets (RFC 6184).
struct Packetizer {
    payloader: H264Payloader,
    stream: Stream,
    /// When the time of the stream began.
    began: Instant,
}

impl Sender {
    /// Runs until the session ends.
    pub(super) fn run(mut self, runtime: &Handle) {
        let Some(stream) = runtime.block_on(self.track.stream()) else { return };
        let began = clock::now();
        let mut state = State {
            scaler: Scaler::default(),
            encoder: Encoder::new(*self.estimate.borrow()),
            began,
            shape: Shape::default(),
            packetizer: Packetizer { payloader: H264Payloader::default(), stream, began },
        };
        self.warm_up(&mut state);
        loop {
            match runtime.block_on(self.wake()) {
                // Orders: perhaps a connection, or another size, which is not to wait for the next
                // picture.
                Wake::Picture | Wake::Orders => {}
                Wake::KeyframeRequest => state.shape.want_key(),
                Wake::Report => continue,
                Wake::End => return,
            }
            let Orders { payload_type: Some(payload_type), wanted, with_sound } =
                *self.orders.borrow()
            else {
                continue;
            };
            let Some(picture) = self.pictures.borrow_and_update().clone() else {
                // The partner may have dropped the picture from before the camera was off.
                state.shape.want_key();
                continue;
            };
            let shares = Shares::of(*self.estimate.borrow(), with_sound);
            let share = shares.picture / if *self.twice.borrow() { 2 } else { 1 };
            if let Some(coded) = state.code(clock::now(), &picture, wanted, share) {
                let (at, bytes) = (coded.at, coded.data.len());
                let packets = state.packetizer.packets(payload_type, coded);
                if runtime.block_on(self.send(at, bytes, packets)).is_none() {
                    return;
                }
            }
        }
    }

    /// The codec's tables and memory cost more than a picture: not when the first one is due.
    fn warm_up(&self, state: &mut State) {
        let picture = self.pictures.borrow().clone();
        let picture = picture.unwrap_or_else(|| Arc::new(Frame::black(320, 240)));
        let warmed = state.encoder.encode(&picture, Duration::ZERO, true);
        if let Err(error) = warmed {
            tracing::warn!(%error, "the video encoder does not start");
        }
    }

    async fn wake(&mut self) -> Wake {
        let connected = self.orders.borrow().payload_type.is_some();
        tokio::select! {
            biased;
            orders = self.orders.changed() => orders.map_or(Wake::End, |()| Wake::Orders),
            Some(event) = self.track.poll(), if connected => match asks_for_keyframe(&event) {
                true => Wake::KeyframeRequest,
                false => Wake::Report,
            },
            // An error means the camera is gone: the session will end or bring another.
            Ok(()) = self.pictures.changed() => Wake::Picture,
            else => self.orders.changed().await.map_or(Wake::End, |()| Wake::Orders),
        }
    }

    /// `None` when the session ended meanwhile.
    async fn send(&mut self, at: Instant, bytes: usize, packets: Vec<rtp::Packet>) -> Option<()> {
        let mut closed = self.orders.clone();
        let is_sent = tokio::select! {
            is_sent = self.track.send(at, packets) => is_sent,
            _ = closed.wait_for(|orders| orders.payload_type.is_none()) => return None,
        };
        if is_sent {
            count(&self.tally.frames_sent);
            self.tally.bytes_out.fetch_add(bytes as u64, Relaxed);
        } else {
            tracing::debug!("a picture could not be sent");
        }
        Some(())
    }
}

impl State {
    /// The next picture for the track; `None` when this one is left out.
    fn code(
        &mut self,
        now: Instant,
        picture: &Arc<Frame>,
        wanted: Wanted,
        share: u32,
    ) -> Option<Coded> {
        self.shape.limit_fps(wanted.fps());
        let Plan { size, bps, key } =
            self.shape.plan(now, (picture.width(), picture.height()), wanted.grid, share)?;
        self.encoder.set_bitrate(bps);
        let picture = self.scaler.scale(picture, size);
        let at = now.saturating_duration_since(self.began);
        let coded = match self.encoder.encode(&picture, at, key) {
            Ok(coded) => coded?,
            Err(error) => {
                tracing::warn!(%error, "a picture could not be encoded");
                return None;
            }
        };
        self.shape.coded(now, coded.data.len(), coded.key);
        Some(Coded { at: now, data: coded.data.into() })
    }
}

impl Packetizer {
    /// The packets of a picture; the last has the marker bit.
    fn packets(&mut self, payload_type: u8, coded: Coded) -> Vec<rtp::Packet> {
        let since = coded.at.saturating_duration_since(self.began);
        // Wraps, as the clock of a stream does.
        let time = (since.as_nanos() * u128::from(VIDEO_RATE) / 1_000_000_000) as u32;
        let payloads = self.payloader.payload(MAX_PACKET - HEADER, &coded.data).unwrap_or_default();
        let last = payloads.len().saturating_sub(1);
        let packet =
            |(number, payload)| self.stream.packet(payload_type, time, number == last, payload);
        payloads.into_iter().enumerate().map(packet).collect()
    }
}

fn asks_for_keyframe(event: &TrackLocalEvent) -> bool {
    let TrackLocalEvent::OnRtcpPacket(packets) = event else { return false };
    packets.iter().any(|packet| {
        let packet = packet.as_any();
        packet.is::<PictureLossIndication>() || packet.is::<FullIntraRequest>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As on a narrow path, where pictures are left out.
    #[test]
    fn pictures_have_the_time_at_which_they_were_captured() {
        let (began, stream) = (clock::now(), Stream::new(7, 1_000, u32::MAX - 90));
        let mut packetizer = Packetizer { payloader: H264Payloader::default(), stream, began };
        let mut last = 499;
        for ms in [0, 33, 133, 167, 50_000_000] {
            let at = began + Duration::from_millis(ms);
            let slice = [&[0, 0, 0, 1, 0x61][..], &[7; 3_000]].concat();
            let packets = packetizer.packets(102, Coded { at, data: slice.into() });
            assert_eq!(packets.len(), 3);
            for (number, packet) in packets.iter().enumerate() {
                let rtp::Header { timestamp, marker, sequence_number, .. } = packet.header;
                assert_eq!(timestamp, (u32::MAX - 90).wrapping_add((ms * 90) as u32));
                assert_eq!((marker, sequence_number), (number == 2, last + 1));
                assert!(HEADER + packet.payload.len() <= MAX_PACKET);
                last = sequence_number;
            }
        }
    }
}
