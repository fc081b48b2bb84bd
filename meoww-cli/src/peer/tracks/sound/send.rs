//! Sending sound: each Opus frame is one RTP packet, which goes out at once.

use rtc::rtcp::receiver_report::ReceiverReport;
use tokio::sync::{mpsc, watch};
use webrtc::media_stream::track_local::TrackLocalEvent;

use super::super::{super::allocate::Shares, stream::LocalTrack};
use crate::sound::room::OpusFrame;

/// The weight of a loss, in percent, one second later: error correction that ends with the loss is off
/// when the next packet is lost.
const LOSS_MEMORY: u32 = 90;

pub(super) struct Sender {
    pub(super) frames: mpsc::Receiver<OpusFrame>,
    pub(super) bitrate: watch::Sender<u32>,
    pub(super) loss_percent: watch::Sender<u8>,
    pub(super) track: LocalTrack,
    /// Bits a second that the path carries.
    pub(super) estimate: watch::Receiver<u32>,
}

impl Sender {
    /// Runs until the room's sound ends.
    pub(super) async fn run(mut self, payload_type: u8) {
        let Some(mut stream) = self.track.stream().await else { return };
        // Said before there was a connection: for ever late, if it were the beginning.
        while self.frames.try_recv().is_ok() {}
        self.share();
        loop {
            tokio::select! {
                frame = self.frames.recv() => match frame {
                    Some(OpusFrame { captured, timestamp, starts_talk, payload }) => {
                        let packet = stream.packet(payload_type, timestamp, starts_talk, payload);
                        if !self.track.send(captured, vec![packet]).await {
                            tracing::debug!("sound could not be sent");
                        }
                    }
                    None => return,
                },
                Ok(()) = self.estimate.changed() => self.share(),
                Some(event) = self.track.poll() => self.event(&event, stream.ssrc()),
            }
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

#[cfg(test)]
mod tests {
    use super::*;

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
