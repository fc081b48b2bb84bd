//! Lets the RTCP that is about a track through to it.

use rtc::{
    interceptor::{Attribute, AttributedPacket, Packet, TaggedPacket},
    rtcp::{
        self,
        payload_feedbacks::{
            full_intra_request::FullIntraRequest, picture_loss_indication::PictureLossIndication,
        },
        receiver_report::ReceiverReport,
        reception_report::ReceptionReport,
        sender_report::SenderReport,
    },
};

use super::stage::{Passing, Stage};

/// Last in the chain on the way in: the application gets PLI (RFC 4585) and FIR (RFC 5104), sender
/// and receiver reports (RFC 3550, section 6.4), and no other RTCP, which the chain has dealt with
/// already. Each block goes alone, as the `rtc` crate takes a compound packet as a whole to the track
/// that its first block names.
pub(super) struct TrackRtcp;

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

impl Stage for TrackRtcp {
    fn incoming(&mut self, packet: TaggedPacket, out: &mut Passing) {
        let Packet::Rtcp(compound) = &packet.message.packet else {
            return out.incoming(packet);
        };
        for block in compound.iter().flat_map(|packet| for_tracks(packet.as_ref())) {
            let message = AttributedPacket::new(Packet::Rtcp(vec![block]));
            let message = message.with(Attribute::DeliverToApplication);
            let (now, transport) = (packet.now, packet.transport);
            out.incoming(TaggedPacket { now, transport, message });
        }
    }
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
