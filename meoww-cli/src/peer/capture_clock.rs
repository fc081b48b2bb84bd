//! Sender reports that name the moment of capture.
//!
//! A sender report names one moment by the sender's clock and by a stream's RTP clock (RFC 3550, section
//! 6.4.1), which lets the receiver play sound and pictures in step. The `rtc` crate takes each frame for
//! captured when it is sent: 20 ms too late for sound, whose frame is filled first, and as late as coding
//! makes it for a picture.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rtc::{
    interceptor::{Packet, StreamInfo, TaggedPacket},
    rtcp::{self, sender_report::SenderReport},
};

use super::stage::{Passing, Stage, is_video};

/// The share of a frame's lateness by which the clock follows it: a microphone's clock drifts, and
/// its frames are late by chance.
const FOLLOWED: f64 = 1.0 / 64.0;
/// A frame that is late by more seconds is of a clock that was set anew.
const MAX_LATE: f64 = 0.2;

/// The moments at which the frames of one stream were captured, shared by its sender and its reports.
#[derive(Debug, Clone)]
pub(super) struct CaptureClock {
    /// Ticks of the RTP clock in a second.
    rate: u32,
    newest: Arc<Mutex<Option<Captured>>>,
}

/// The newest frame.
#[derive(Debug, Clone, Copy)]
struct Captured {
    at: Instant,
    timestamp: u32,
}

impl CaptureClock {
    pub(super) fn new(rate: u32) -> Self {
        Self { rate, newest: Arc::default() }
    }

    /// Takes the moment at which the beginning of a frame was captured, and its RTP timestamp.
    pub(super) fn observe(&self, at: Instant, timestamp: u32) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let late = newest.map_or(0.0, |last| {
            let ticks = timestamp.wrapping_sub(last.timestamp).cast_signed();
            seconds_between(last.at, at) - f64::from(ticks) / f64::from(self.rate)
        });
        let unbelieved =
            if (0.0..MAX_LATE).contains(&late) { late * (1.0 - FOLLOWED) } else { 0.0 };
        let at = at.checked_sub(Duration::from_secs_f64(unbelieved)).unwrap_or(at);
        *newest = Some(Captured { at, timestamp });
    }

    /// The RTP timestamp of a moment; `None` before the first frame.
    fn timestamp(&self, at: Instant) -> Option<u32> {
        let Captured { at: captured, timestamp } =
            (*self.newest.lock().unwrap_or_else(PoisonError::into_inner))?;
        let ticks = (seconds_between(captured, at) * f64::from(self.rate)).round();
        Some(timestamp.wrapping_add(ticks as i64 as u32))
    }
}

/// Less than zero when `until` is before `from`.
fn seconds_between(from: Instant, until: Instant) -> f64 {
    until.saturating_duration_since(from).as_secs_f64()
        - from.saturating_duration_since(until).as_secs_f64()
}

/// Corrects the reports of the `rtc` crate, on their way out.
pub(super) struct SenderReports {
    sound: CaptureClock,
    pictures: CaptureClock,
    streams: HashMap<u32, CaptureClock>,
}

impl SenderReports {
    pub(super) fn new(sound: CaptureClock, pictures: CaptureClock) -> Self {
        Self { sound, pictures, streams: HashMap::new() }
    }

    /// The report with the RTP time of `now`, which its NTP time is of; `None` for other packets.
    fn corrected(&self, packet: &dyn rtcp::Packet, now: Instant) -> Option<SenderReport> {
        let report = packet.as_any().downcast_ref::<SenderReport>()?;
        let rtp_time = self.streams.get(&report.ssrc)?.timestamp(now)?;
        Some(SenderReport { rtp_time, ..report.clone() })
    }
}

impl Stage for SenderReports {
    fn outgoing(&mut self, mut packet: TaggedPacket, out: &mut Passing) {
        if let Packet::Rtcp(compound) = &mut packet.message.packet {
            for block in compound {
                if let Some(report) = self.corrected(block.as_ref(), packet.now) {
                    *block = Box::new(report);
                }
            }
        }
        out.outgoing(packet);
    }

    fn bind_local(&mut self, info: &StreamInfo) {
        let clock = if is_video(info) { &self.pictures } else { &self.sound };
        self.streams.insert(info.ssrc, clock.clone());
    }

    fn unbind_local(&mut self, info: &StreamInfo) {
        self.streams.remove(&info.ssrc);
    }
}

#[cfg(test)]
mod tests {
    use rtc::{
        interceptor::Interceptor, peer_connection::configuration::media_engine::MediaEngine, rtp,
        sansio::Protocol,
    };

    use super::{
        super::{
            chain::{Chain, chain},
            stage::made,
        },
        *,
    };
    use crate::clock;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn write(chain: &mut dyn Interceptor, now: Instant, ssrc: u32, timestamp: u32) {
        let header = rtp::Header { version: 2, ssrc, timestamp, ..Default::default() };
        let packet = rtp::Packet { header, payload: vec![0; 100].into() };
        chain.handle_write(made(now, Packet::Rtp(packet))).unwrap();
    }

    /// Sound that is sent 20 ms after its first sample, and a picture that took 35 ms to be coded.
    #[test]
    fn reports_name_the_moment_of_capture() {
        const SOUND: (u32, u32) = (1, u32::MAX - 1_000);
        const PICTURES: (u32, u32) = (2, 7_000);
        let Chain { registry, sound, pictures, .. } =
            chain(&mut MediaEngine::default(), Default::default()).unwrap();
        let (mut chain, start) = (registry.build(), clock::now());
        for ((ssrc, _), mime_type, clock_rate) in
            [(SOUND, "audio/opus", 48_000), (PICTURES, "video/H264", 90_000)]
        {
            let mime_type = mime_type.to_owned();
            chain.bind_local_stream(&StreamInfo {
                ssrc,
                mime_type,
                clock_rate,
                ..Default::default()
            });
        }
        sound.observe(start, SOUND.1);
        write(&mut chain, start + millis(20), SOUND.0, SOUND.1);
        pictures.observe(start, PICTURES.1);
        write(&mut chain, start + millis(35), PICTURES.0, PICTURES.1);
        // The first interval of reports ends.
        chain.handle_timeout(start + millis(1_050)).unwrap();
        let mut reported = HashMap::new();
        while let Some(packet) = chain.poll_write() {
            let Packet::Rtcp(compound) = packet.message.packet else { continue };
            let reports = compound.iter().filter_map(|block| block.as_any().downcast_ref());
            reported.extend(reports.map(|report: &SenderReport| (report.ssrc, report.rtp_time)));
        }
        assert_eq!(reported[&SOUND.0], SOUND.1.wrapping_add(48 * 1_050));
        assert_eq!(reported[&PICTURES.0], PICTURES.1 + 90 * 1_050);
    }

    /// Frames of 20 ms by a clock that is 100 ppm slow, each late by up to 9 ms.
    #[test]
    fn frames_that_are_late_by_chance_move_the_clock_little() {
        let (capture, start) = (CaptureClock::new(48_000), clock::now());
        for frame in 0..3_000_u32 {
            let captured = start + Duration::from_nanos(20_002_000) * frame;
            capture.observe(captured + millis(u64::from(frame * 7 % 10)), frame * 960);
            if frame > 500 {
                let off = i64::from(capture.timestamp(captured).unwrap()) - i64::from(frame * 960);
                assert!((-48..=0).contains(&off), "{off} samples at {frame}");
            }
        }
        // A machine that slept.
        let later = start + Duration::from_secs(3_600);
        capture.observe(later, 3_000 * 960);
        assert_eq!(capture.timestamp(later), Some(3_000 * 960));
        assert_eq!(capture.timestamp(later - millis(10)), Some(3_000 * 960 - 480));
    }
}
