//! Sending sound: each Opus frame is one RTP packet, which goes out at once.

use std::sync::Arc;

use rtc::{rtcp::receiver_report::ReceiverReport, rtp};
use tokio::sync::{mpsc, watch};
use webrtc::media_stream::{
    Track,
    track_local::{TrackLocal, TrackLocalEvent, static_rtp::TrackLocalStaticRTP},
};

use super::super::super::allocate::Shares;
use crate::sound::room::OpusFrame;

/// The weight of a loss, in percent, one second later: error correction that ends with the loss is off
/// when the next packet is lost.
const LOSS_MEMORY: u32 = 90;

pub(super) struct Sender {
    pub(super) frames: mpsc::Receiver<OpusFrame>,
    pub(super) bitrate: watch::Sender<u32>,
    pub(super) loss_percent: watch::Sender<u8>,
    pub(super) track: Arc<TrackLocalStaticRTP>,
    /// Bits a second that the path carries.
    pub(super) estimate: watch::Receiver<u32>,
}

impl Sender {
    /// Runs until the room's sound ends.
    pub(super) async fn run(mut self, payload_type: u8) {
        let Some(ssrc) = self.track.ssrcs().await.first().copied() else { return };
        let mut stream = Stream::new(payload_type, ssrc, rand::random(), rand::random());
        // Said before there was a connection: for ever late, if it were the beginning.
        while self.frames.try_recv().is_ok() {}
        self.share();
        loop {
            tokio::select! {
                frame = self.frames.recv() => match frame {
                    Some(frame) => self.send(stream.packet(frame)).await,
                    None => return,
                },
                Ok(()) = self.estimate.changed() => self.share(),
                Some(event) = self.track.poll() => self.event(&event, ssrc),
            }
        }
    }

    async fn send(&self, packet: rtp::Packet) {
        // The error would show the packet; that it failed says enough.
        if self.track.write_rtp(packet).await.is_err() {
            tracing::debug!("sound could not be sent");
        }
    }

    fn share(&mut self) {
        let share = Shares::of(*self.estimate.borrow_and_update(), true).sound;
        self.bitrate.send_if_modified(|bitrate| std::mem::replace(bitrate, share) != share);
    }

    fn event(&self, event: &TrackLocalEvent, ssrc: u32) {
        let TrackLocalEvent::OnRtcpPacket(packets) = event else { return };
        let reports = packets.iter().filter_map(|packet| packet.as_any().downcast_ref());
        let blocks = reports.flat_map(|report: &ReceiverReport| &report.reports);
        for block in blocks.filter(|block| block.ssrc == ssrc) {
            self.loss_percent.send_modify(|loss| *loss = expected_loss(*loss, block.fraction_lost));
        }
    }
}

/// The share of packets to expect lost, in percent, after a report that `fraction` of 256 were. Rises
/// at once, and falls slowly.
fn expected_loss(before: u8, fraction: u8) -> u8 {
    let reported = (u32::from(fraction) * 100).div_ceil(256);
    reported.max(u32::from(before) * LOSS_MEMORY / 100) as u8
}

/// Numbers the packets of a stream (RFC 3550, section 5.1).
struct Stream {
    payload_type: u8,
    ssrc: u32,
    /// Of the next packet.
    sequence: u16,
    /// Random, added to the time of each frame.
    offset: u32,
}

impl Stream {
    fn new(payload_type: u8, ssrc: u32, sequence: u16, offset: u32) -> Self {
        // In the lower half, so that losing the first packets does not look like a roll-over to
        // SRTP (RFC 3711, section 3.3.1).
        Self { payload_type, ssrc, sequence: sequence / 2, offset }
    }

    fn packet(&mut self, frame: OpusFrame) -> rtp::Packet {
        let OpusFrame { timestamp, starts_talk, payload } = frame;
        let header = rtp::Header {
            version: 2,
            marker: starts_talk,
            payload_type: self.payload_type,
            sequence_number: self.sequence,
            timestamp: timestamp.wrapping_add(self.offset),
            ssrc: self.ssrc,
            ..Default::default()
        };
        self.sequence = self.sequence.wrapping_add(1);
        rtp::Packet { header, payload }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn packets_are_numbered_and_timed_past_the_wrap() {
        let mut stream = Stream::new(111, 7, u16::MAX, u32::MAX - 960);
        let mut header = |timestamp, starts_talk| {
            let payload = Bytes::from_static(b"x");
            stream.packet(OpusFrame { timestamp, starts_talk, payload }).header
        };
        let (first, second) = (header(0, true), header(960, false));
        assert_eq!((first.sequence_number, first.timestamp), (32_767, u32::MAX - 960));
        assert_eq!((second.sequence_number, second.timestamp), (32_768, u32::MAX));
        assert_eq!((first.marker, second.marker), (true, false));
        assert_eq!((first.ssrc, first.payload_type, first.version), (7, 111, 2));
        // After DTX left out 400 ms.
        assert_eq!(header(960 * 21, true).timestamp, 960 * 20 - 1);
    }

    #[test]
    fn loss_is_believed_at_once_and_forgotten_slowly() {
        assert_eq!(expected_loss(0, 13), 6, "13 of 256 are 5.08 %");
        assert_eq!(expected_loss(0, 255), 100);
        let mut loss = 20;
        let mut reports = 0;
        while loss > 0 {
            loss = expected_loss(loss, 0);
            reports += 1;
        }
        assert!((10..30).contains(&reports), "{reports}");
    }
}
