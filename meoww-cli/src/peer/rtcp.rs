//! Lets the RTCP that is about a track through to it.

use std::{collections::VecDeque, time::Instant};

use rtc::{
    interceptor::{Attribute, AttributedPacket, Interceptor, Packet, StreamInfo, TaggedPacket},
    rtcp::{
        self,
        payload_feedbacks::{
            full_intra_request::FullIntraRequest, picture_loss_indication::PictureLossIndication,
        },
        receiver_report::ReceiverReport,
        reception_report::ReceptionReport,
        sender_report::SenderReport,
    },
    sansio::Protocol,
    shared::error::Error,
};

/// Last in the chain on the way in: the application gets PLI (RFC 4585) and FIR (RFC 5104), sender
/// and receiver reports (RFC 3550, section 6.4), and no other RTCP, which the chain has dealt with
/// already. Each block goes alone, as the `rtc` crate takes a compound packet as a whole to the track
/// that its first block names.
#[derive(Default)]
pub(super) struct TrackRtcp {
    incoming: VecDeque<TaggedPacket>,
    outgoing: VecDeque<TaggedPacket>,
}

/// What of one RTCP packet is for tracks.
fn for_tracks(packet: &dyn rtcp::Packet) -> Vec<Box<dyn rtcp::Packet>> {
    let any = packet.as_any();
    if any.is::<PictureLossIndication>() || any.is::<FullIntraRequest>() {
        return vec![packet.cloned()];
    }
    if let Some(report) = any.downcast_ref::<ReceiverReport>() {
        return blocks(report.ssrc, &report.reports).collect();
    }
    let Some(report) = any.downcast_ref::<SenderReport>() else { return Vec::new() };
    let own = SenderReport { reports: Vec::new(), ..report.clone() };
    blocks(report.ssrc, &report.reports).chain([Box::new(own) as Box<dyn rtcp::Packet>]).collect()
}

/// Reports on what this side sends, one packet each.
fn blocks(ssrc: u32, blocks: &[ReceptionReport]) -> impl Iterator<Item = Box<dyn rtcp::Packet>> {
    blocks.iter().map(move |block| {
        let reports = vec![block.clone()];
        Box::new(ReceiverReport { ssrc, reports, ..Default::default() }) as Box<dyn rtcp::Packet>
    })
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for TrackRtcp {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        let Packet::Rtcp(compound) = &packet.message.packet else {
            self.incoming.push_back(packet);
            return Ok(());
        };
        for block in compound.iter().flat_map(|packet| for_tracks(packet.as_ref())) {
            let mut message = AttributedPacket::new(Packet::Rtcp(vec![block]));
            message.add(Attribute::DeliverToApplication);
            let (now, transport) = (packet.now, packet.transport);
            self.incoming.push_back(TaggedPacket { now, transport, message });
        }
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.incoming.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.outgoing.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.outgoing.pop_front()
    }
}

impl Interceptor for TrackRtcp {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(ssrc: u32) -> ReceptionReport {
        ReceptionReport { ssrc, fraction_lost: 26, ..Default::default() }
    }

    /// As Chromium sends it: its clock, and what it received, in one packet.
    #[test]
    fn a_report_about_both_ways_goes_to_both_tracks() {
        let reports = vec![block(1), block(2)];
        let report = SenderReport { ssrc: 9, ntp_time: 7, reports, ..Default::default() };
        let named: Vec<_> = for_tracks(&report).iter().map(|one| one.destination_ssrc()).collect();
        assert_eq!(named, [[1], [2], [9]]);
        let request = PictureLossIndication { sender_ssrc: 0, media_ssrc: 5 };
        assert_eq!(for_tracks(&request).len(), 1);
        assert!(for_tracks(&rtcp::goodbye::Goodbye::default()).is_empty());
    }
}
