//! Reports of a partner to the estimator, in the chain of interceptors.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rtc::interceptor::{BandwidthEstimator, PacketReport};

use super::{
    aimd::{Estimator, START_BPS},
    window::Fate,
};

/// Bytes of a packet that are not RTP: IPv4 20, UDP 8, authentication 10.
const LOWER_HEADERS: usize = 20 + 8 + 10;
/// Without a report for so long, though so many packets were sent, the path is overfull both ways or
/// down: half, and half again each time the shorter time has passed. A lost report or two are nothing.
const SILENCE: Duration = Duration::from_millis(400);
const STILL_SILENT: Duration = Duration::from_millis(200);
const SILENT_PACKETS: u32 = 15;
/// Packets that are known to have arrived: some two seconds of them.
const REMEMBERED: usize = 512;

/// The packets that arrived of late, by stream and sequence number.
///
/// One that is sent again though it arrived is dropped by the receiver's replay protection (RFC 3711,
/// section 3.3.2) before it is reported on. It is not lost, and passed the path as the one before did.
#[derive(Default)]
struct Arrived(VecDeque<(u32, u16)>);

impl Arrived {
    /// Whether it is a copy of one that arrived. Notes that it arrived itself.
    fn is_copy(&mut self, report: &PacketReport) -> bool {
        let packet = (report.ssrc, report.rtp_sequence_number);
        if !report.arrived {
            return self.0.contains(&packet);
        }
        if self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(packet);
        false
    }
}

/// Our estimator, as the `rtc` crate drives it.
pub(super) struct Feedback {
    estimator: Estimator,
    arrived: Arrived,
    /// Of the last packet that arrived.
    last_delay: Option<f64>,
    /// Departures are counted from here.
    origin: Option<Instant>,
    /// Packets sent since the last report.
    sent: Arc<AtomicU32>,
    /// When the next report is missed.
    missed_at: Option<Instant>,
}

impl Feedback {
    /// `sent` is where packets are counted that are sent.
    pub(super) fn new(sent: Arc<AtomicU32>) -> Self {
        Self {
            estimator: Estimator::new(START_BPS),
            arrived: Arrived::default(),
            last_delay: None,
            origin: None,
            sent,
            missed_at: None,
        }
    }
}

impl BandwidthEstimator for Feedback {
    fn on_reports(&mut self, now: Instant, reports: &[PacketReport]) {
        let Some(first) = reports.first() else {
            return;
        };
        let origin = *self.origin.get_or_insert(first.departure);
        let (arrived, last) = (&mut self.arrived, &mut self.last_delay);
        let fates = reports.iter().map(|report| {
            let departed = report.departure.saturating_duration_since(origin).as_secs_f64();
            let arrival = report.arrival.filter(|_| report.arrived);
            let mut delay = arrival.map(|arrival| arrival.as_secs_f64() - departed);
            *last = delay.or(*last);
            if arrived.is_copy(report) {
                delay = *last;
            }
            Fate { bytes: report.size + LOWER_HEADERS, departed, delay }
        });
        self.estimator.report(now, fates);
        self.sent.store(0, Relaxed);
        let wait = if self.estimator.is_silent() { STILL_SILENT } else { SILENCE };
        self.missed_at = Some(now + wait);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.missed_at.is_none_or(|at| now < at) {
            return;
        }
        self.missed_at = Some(now + STILL_SILENT);
        let Some(origin) = self.origin.filter(|_| self.sent.load(Relaxed) >= SILENT_PACKETS) else {
            return;
        };
        self.estimator.silence(now, now.saturating_duration_since(origin).as_secs_f64());
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.missed_at
    }

    fn target_bitrate(&self) -> f64 {
        self.estimator.bps()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    /// One of 20 packets is lost and sent again three times. The first copy arrives, and the receiver
    /// drops the others.
    #[test]
    fn copies_of_what_arrived_are_not_lost() {
        let mut feedback = Feedback::new(Arc::default());
        let report = |sequence, arrived| PacketReport {
            ssrc: 1,
            id: 0,
            rtp_sequence_number: sequence,
            is_twcc: true,
            twcc_sequence_number: 0,
            size: 500,
            arrived,
            departure: clock::now(),
            arrival: arrived.then_some(Duration::from_millis(40)),
            ecn: Default::default(),
        };
        let reports: Vec<_> = (0..20).map(|sequence| report(sequence, sequence != 7)).collect();
        feedback.on_reports(clock::now(), &reports);
        feedback.on_reports(clock::now(), &[report(7, true), report(7, false), report(7, false)]);
        let window = feedback.estimator.window();
        let lost = window.iter().filter(|fate| fate.delay.is_none()).count();
        assert_eq!((window.len(), lost), (23, 1));
    }
}
