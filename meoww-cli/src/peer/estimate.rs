//! How much the path to the partner carries.

mod aimd;
mod feedback;
mod others;
#[cfg(test)]
mod tests;
mod window;

use std::{
    sync::{Arc, atomic::AtomicU32},
    time::Instant,
};

use rtc::interceptor::{BandwidthEstimator, Gcc, PacketReport};
use tokio::sync::watch;

use self::{
    aimd::{MAX_BPS, MIN_BPS, START_BPS},
    feedback::Feedback,
};

/// The way to find out how much the path carries, and to send no more than that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CongestionControl {
    /// Our estimator and our pacer.
    #[default]
    Ours,
    /// Google congestion control and the pacer of the `rtc` crate, to compare with.
    Crate,
}

impl CongestionControl {
    /// Bits a second before anything is known.
    pub(super) const START_BPS: f64 = START_BPS;

    /// The estimator, and where its newest estimate can be read, in bits a second. `sent` is where
    /// packets are counted that are sent.
    pub(super) fn estimator(self, sent: Arc<AtomicU32>) -> (Published, watch::Receiver<u32>) {
        let estimator: Box<dyn BandwidthEstimator> = match self {
            Self::Ours => Box::new(Feedback::new(sent)),
            Self::Crate => Box::new(Gcc::new(START_BPS, MIN_BPS, MAX_BPS)),
        };
        let (out, estimate) = watch::channel(estimator.target_bitrate() as u32);
        (Published { estimator, out }, estimate)
    }
}

/// An estimator whose estimate goes out through a latest-value slot.
pub(super) struct Published {
    estimator: Box<dyn BandwidthEstimator>,
    out: watch::Sender<u32>,
}

impl Published {
    fn publish(&self) {
        self.out.send_replace(self.estimator.target_bitrate() as u32);
    }
}

impl BandwidthEstimator for Published {
    fn on_reports(&mut self, now: Instant, reports: &[PacketReport]) {
        self.estimator.on_reports(now, reports);
        self.publish();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.estimator.handle_timeout(now);
        self.publish();
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.estimator.poll_timeout()
    }

    fn target_bitrate(&self) -> f64 {
        self.estimator.target_bitrate()
    }
}
