//! A stream that is sent: RTP packets of a track (RFC 3550, section 5.1), and when what is in them was
//! captured.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use rtc::rtp;
use webrtc::media_stream::{
    Track,
    track_local::{TrackLocal, TrackLocalEvent, static_rtp::TrackLocalStaticRTP},
};

use super::super::capture_clock::CaptureClock;

/// A track of this side, and the clock of its sender reports.
pub(in crate::peer) struct LocalTrack {
    pub(in crate::peer) track: Arc<TrackLocalStaticRTP>,
    pub(in crate::peer) clock: CaptureClock,
}

impl LocalTrack {
    /// The stream of the track; `None` when it has none.
    pub(super) async fn stream(&self) -> Option<Stream> {
        let ssrc = self.track.ssrcs().await.first().copied()?;
        Some(Stream::new(ssrc, rand::random(), rand::random()))
    }

    /// The next event of the track.
    pub(super) async fn poll(&self) -> Option<TrackLocalEvent> {
        self.track.poll().await
    }

    /// Sends a frame, whose beginning was captured `at`. Returns whether it could be sent.
    pub(super) async fn send(&self, at: Instant, packets: Vec<rtp::Packet>) -> bool {
        if let Some(first) = packets.first() {
            self.clock.observe(at, first.header.timestamp);
        }
        let mut is_sent = true;
        for packet in packets {
            // The error would show the packet; that it failed says enough.
            is_sent &= self.track.write_rtp(packet).await.is_ok();
        }
        is_sent
    }
}

/// Numbers the packets of a stream.
pub(super) struct Stream {
    ssrc: u32,
    /// Of the next packet.
    sequence: u16,
    /// Random, added to the time of each frame.
    offset: u32,
}

impl Stream {
    pub(super) fn new(ssrc: u32, sequence: u16, offset: u32) -> Self {
        // In the lower half, so that losing the first packets does not look like a roll-over to
        // SRTP (RFC 3711, section 3.3.1).
        Self { ssrc, sequence: sequence / 2, offset }
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The next packet, of a frame of that time by the stream's clock.
    pub(super) fn packet(
        &mut self,
        payload_type: u8,
        time: u32,
        marker: bool,
        payload: Bytes,
    ) -> rtp::Packet {
        let header = rtp::Header {
            version: 2,
            marker,
            payload_type,
            sequence_number: self.sequence,
            timestamp: time.wrapping_add(self.offset),
            ssrc: self.ssrc,
            ..Default::default()
        };
        self.sequence = self.sequence.wrapping_add(1);
        rtp::Packet { header, payload }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_numbered_and_timed_past_the_wrap() {
        let mut stream = Stream::new(7, u16::MAX, u32::MAX - 960);
        let mut header =
            |time, marker| stream.packet(111, time, marker, Bytes::from_static(b"x")).header;
        let (first, second) = (header(0, true), header(960, false));
        assert_eq!((first.sequence_number, first.timestamp), (32_767, u32::MAX - 960));
        assert_eq!((second.sequence_number, second.timestamp), (32_768, u32::MAX));
        assert_eq!((first.marker, second.marker), (true, false));
        assert_eq!((first.ssrc, first.payload_type, first.version), (7, 111, 2));
        // After DTX left out 400 ms.
        assert_eq!(header(960 * 21, true).timestamp, 960 * 20 - 1);
    }
}
