//! Receiving sound: RTP packets and sender reports of the partner, to where they are played.

use std::sync::Arc;

use rtc::{
    rtcp::{self, sender_report::SenderReport},
    rtp,
};
use tokio::sync::mpsc;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};

use super::super::super::stats::{Tally, count};
use crate::{
    clock,
    sound::room::{MAX_OPUS_BYTES, OpusPacket, Received},
};

pub(super) struct Receiver {
    pub(super) track: Arc<dyn TrackRemote>,
    /// More than fit in are a flood, and dropped.
    pub(super) packets: mpsc::Sender<Received>,
    pub(super) tally: Arc<Tally>,
}

impl Receiver {
    /// Runs until the track ends.
    pub(super) async fn run(self) {
        // Of the last packet; a report on another stream says nothing of this one.
        let mut ssrc = None;
        while let Some(event) = self.track.poll().await {
            let received = match event {
                TrackRemoteEvent::OnRtpPacket(packet) => {
                    ssrc = Some(packet.header.ssrc);
                    self.packet(packet)
                }
                TrackRemoteEvent::OnRtcpPacket(packets) => sender_report(&packets, ssrc),
                TrackRemoteEvent::OnEnded => return,
                _ => None,
            };
            // The room's sound may have ended before the connection.
            if received.is_some_and(|received| self.packets.try_send(received).is_err()) {
                count(&self.tally.sound_packets_dropped);
            }
        }
    }

    /// `None` for what is no frame: padding alone, or too long.
    fn packet(&self, packet: rtp::Packet) -> Option<Received> {
        let rtp::Packet { header, payload, .. } = packet;
        if payload.len() > MAX_OPUS_BYTES {
            count(&self.tally.sound_packets_dropped);
            return None;
        }
        let rtp::Header { ssrc, sequence_number: sequence, timestamp, .. } = header;
        let arrived = clock::now();
        let packet = OpusPacket { ssrc, sequence, timestamp, payload, arrived };
        (!packet.payload.is_empty()).then_some(Received::Packet(packet))
    }
}

fn sender_report(packets: &[Box<dyn rtcp::Packet>], ssrc: Option<u32>) -> Option<Received> {
    let mut reports = packets.iter().filter_map(|packet| packet.as_any().downcast_ref());
    let report = reports.find(|report: &&SenderReport| Some(report.ssrc) == ssrc)?;
    Some(Received::SenderReport { ntp: report.ntp_time, timestamp: report.rtp_time })
}
