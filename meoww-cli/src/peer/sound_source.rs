//! Follows a partner whose sound changes its synchronisation source in mid-call, as senders must after a
//! collision (RFC 3550, section 8.2), and as some do when their microphone changes.
//!
//! The `rtc` crate takes media only from the sources that the description names. So the source that is
//! followed and the one that was named are swapped, in packets and sender reports on the way in and in
//! reception reports on the way out.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use rtc::{
    interceptor::{Packet, StreamInfo, TaggedPacket},
    rtcp::{
        self, receiver_report::ReceiverReport, reception_report::ReceptionReport,
        sender_report::SenderReport,
    },
    rtp,
};

use super::stage::{Passing, Stage};

/// Another source is followed once the last one was silent for so long: three frames, and longer than
/// packets of one overtake those of the other.
const SILENCE: Duration = Duration::from_millis(60);

/// In the chain of interceptors, before all that counts packets by their source.
#[derive(Default)]
pub(super) struct SoundSource {
    /// All sources that the description names.
    named: HashSet<u32>,
    sound: Option<Sound>,
}

/// The partner's sound.
struct Sound {
    named: u32,
    payload_type: u8,
    followed: u32,
    /// When the last packet of that source came.
    heard: Option<Instant>,
}

impl SoundSource {
    /// Whether a packet is to be received. If it is one of the sound, its source is the one that was named.
    fn admit(&mut self, header: &mut rtp::Header, now: Instant) -> bool {
        let Some(sound) = &mut self.sound else { return true };
        let is_other = self.named.contains(&header.ssrc) && header.ssrc != sound.named;
        if is_other || header.payload_type != sound.payload_type {
            return true;
        }
        let is_followed = sound.follow(header.ssrc, now);
        header.ssrc = sound.named;
        is_followed
    }
}

impl Sound {
    /// Returns whether that source is the one to hear.
    fn follow(&mut self, source: u32, now: Instant) -> bool {
        if source != self.followed {
            let silent = self.heard.map(|heard| now.saturating_duration_since(heard));
            if silent.is_some_and(|silent| silent < SILENCE) {
                return false;
            }
            tracing::debug!("the partner's sound has another source");
            self.followed = source;
        }
        self.heard = Some(now);
        true
    }

    fn swapped(&self, source: u32) -> u32 {
        match source {
            _ if source == self.followed => self.named,
            _ if source == self.named => self.followed,
            _ => source,
        }
    }

    fn received(&self, report: &dyn rtcp::Packet) -> Box<dyn rtcp::Packet> {
        match report.as_any().downcast_ref::<SenderReport>() {
            Some(report) => {
                Box::new(SenderReport { ssrc: self.swapped(report.ssrc), ..report.clone() })
            }
            None => report.cloned(),
        }
    }

    fn sent(&self, report: &dyn rtcp::Packet) -> Box<dyn rtcp::Packet> {
        let blocks = |reports: &[ReceptionReport]| {
            let swapped = |block: &ReceptionReport| ReceptionReport {
                ssrc: self.swapped(block.ssrc),
                ..block.clone()
            };
            reports.iter().map(swapped).collect()
        };
        let any = report.as_any();
        if let Some(report) = any.downcast_ref::<ReceiverReport>() {
            Box::new(ReceiverReport { reports: blocks(&report.reports), ..report.clone() })
        } else if let Some(report) = any.downcast_ref::<SenderReport>() {
            Box::new(SenderReport { reports: blocks(&report.reports), ..report.clone() })
        } else {
            report.cloned()
        }
    }
}

impl Stage for SoundSource {
    fn incoming(&mut self, mut packet: TaggedPacket, out: &mut Passing) {
        let is_received = match (&mut packet.message.packet, &self.sound) {
            (Packet::Rtp(rtp), _) => self.admit(&mut rtp.header, packet.now),
            (Packet::Rtcp(reports), Some(sound)) => {
                reports.iter_mut().for_each(|report| *report = sound.received(report.as_ref()));
                true
            }
            _ => true,
        };
        if is_received {
            out.incoming(packet);
        }
    }

    fn outgoing(&mut self, mut packet: TaggedPacket, out: &mut Passing) {
        if let (Packet::Rtcp(reports), Some(sound)) = (&mut packet.message.packet, &self.sound) {
            reports.iter_mut().for_each(|report| *report = sound.sent(report.as_ref()));
        }
        out.outgoing(packet);
    }

    fn bind_remote(&mut self, info: &StreamInfo) {
        let StreamInfo { ssrc, payload_type, .. } = *info;
        self.named.insert(ssrc);
        if info.mime_type.to_ascii_lowercase().starts_with("audio/") {
            self.sound = Some(Sound { named: ssrc, payload_type, followed: ssrc, heard: None });
        }
    }

    fn unbind_remote(&mut self, info: &StreamInfo) {
        self.named.remove(&info.ssrc);
        self.sound.take_if(|sound| sound.named == info.ssrc);
    }
}

#[cfg(test)]
mod tests {
    use rtc::{interceptor::Interceptor, sansio::Protocol};

    use super::{
        super::stage::{Staged, made},
        *,
    };
    use crate::clock;

    const SOUND: u8 = 111;
    const PICTURES: u8 = 102;

    fn follower() -> Staged<SoundSource> {
        let mut follower = Staged::new(SoundSource::default());
        for (ssrc, payload_type, mime_type) in
            [(1, SOUND, "audio/opus"), (2, PICTURES, "video/H264")]
        {
            let mime_type = mime_type.to_owned();
            follower.bind_remote_stream(&StreamInfo {
                ssrc,
                payload_type,
                mime_type,
                ..Default::default()
            });
        }
        follower
    }

    fn received(
        follower: &mut Staged<SoundSource>,
        ssrc: u32,
        payload_type: u8,
        now: Instant,
    ) -> Option<u32> {
        let header = rtp::Header { version: 2, ssrc, payload_type, ..Default::default() };
        let packet = Packet::Rtp(rtp::Packet { header, payload: Default::default() });
        follower.handle_read(made(now, packet)).unwrap();
        match follower.poll_read()?.message.packet {
            Packet::Rtp(rtp) => Some(rtp.header.ssrc),
            _ => unreachable!(),
        }
    }

    #[test]
    fn another_source_is_followed_once_the_last_one_is_silent() {
        let (mut follower, start) = (follower(), clock::now());
        let mut received =
            |ssrc, ms| received(&mut follower, ssrc, SOUND, start + Duration::from_millis(ms));
        assert_eq!([(1, 0), (1, 20)].map(|(ssrc, ms)| received(ssrc, ms)), [Some(1); 2]);
        // The new one is heard as the old one, once that is over; a late packet of that is dropped.
        assert_eq!(
            [(9, 40), (9, 80), (1, 81)].map(|(ssrc, ms)| received(ssrc, ms)),
            [None, Some(1), None]
        );
        // And once more, and back.
        assert_eq!([(8, 200), (1, 300)].map(|(ssrc, ms)| received(ssrc, ms)), [Some(1); 2]);
        // Two at once: one is heard.
        let heard =
            (0..100).filter(|at| received(1 + at % 2 * 6, 400 + u64::from(*at) * 10).is_some());
        assert_eq!(heard.count(), 50);
    }

    #[test]
    fn pictures_and_other_payloads_are_left_alone() {
        let (mut follower, now) = (follower(), clock::now());
        assert_eq!(received(&mut follower, 2, PICTURES, now), Some(2));
        assert_eq!(received(&mut follower, 9, PICTURES, now), Some(9));
        assert_eq!(received(&mut follower, 2, SOUND, now), Some(2));
        assert_eq!(received(&mut follower, 9, 96, now), Some(9));
    }

    #[test]
    fn reports_name_the_source_that_each_side_knows() {
        let (mut follower, now) = (follower(), clock::now());
        received(&mut follower, 9, SOUND, now);
        let report = SenderReport { ssrc: 9, ..Default::default() };
        follower.handle_read(made(now, Packet::Rtcp(vec![Box::new(report)]))).unwrap();
        let blocks = [1, 2].map(|ssrc| ReceptionReport { ssrc, ..Default::default() });
        let report = ReceiverReport { reports: blocks.to_vec(), ..Default::default() };
        follower.handle_write(made(now, Packet::Rtcp(vec![Box::new(report)]))).unwrap();
        let named = |packet: Option<TaggedPacket>| match packet.unwrap().message.packet {
            Packet::Rtcp(reports) => reports[0].destination_ssrc(),
            _ => unreachable!(),
        };
        assert_eq!(named(follower.poll_read()), [1]);
        assert_eq!(named(follower.poll_write()), [9, 2]);
    }
}
