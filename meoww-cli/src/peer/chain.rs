//! The stages that each packet of media passes on its way out and in.

use std::{
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use rtc::{
    interceptor::{CongestionControlBuilder, NackResponderBuilder, Registry, Slot},
    peer_connection::configuration::{
        interceptor_registry::{configure_rtcp_reports, configure_twcc},
        media_engine::MediaEngine,
    },
};
use tokio::sync::watch;

use super::{
    capture_clock::{CaptureClock, SenderReports},
    codecs::{h264, opus},
    estimate::Feedback,
    flood::FloodGate,
    nack::{FIRST_ROUND_TRIP, NackRequests},
    pace::Pacer,
    rtcp::TrackRtcp,
    twice::Twice,
};

/// The ends of a chain.
pub(super) struct Chain {
    pub(super) registry: Registry,
    /// Bits a second that the path carries.
    pub(super) estimate: watch::Receiver<u32>,
    /// Whether the partner sends more than anyone of good will.
    pub(super) flood: watch::Receiver<bool>,
    /// Where the chain is told how long packets are under way, there and back.
    pub(super) round_trip: watch::Sender<Duration>,
    /// Whether each packet of pictures is sent twice.
    pub(super) twice: watch::Receiver<bool>,
    /// When the sound and the pictures that are sent were captured.
    pub(super) sound: CaptureClock,
    pub(super) pictures: CaptureClock,
}

/// A gate before floods, retransmission, transport-wide feedback into our estimator, pacing, reports with
/// the moment of capture, RTCP for tracks.
///
/// Not the library's pacer and estimator: under 5 % of loss those fell to a few pictures a second.
///
/// # Errors
///
/// When the library refuses to know transport-wide feedback.
pub(super) fn chain(media: &mut MediaEngine) -> anyhow::Result<Chain> {
    let (gate, flood) = FloodGate::new();
    let sent = Arc::<AtomicU32>::default();
    let (feedback, estimate) = Feedback::new(sent.clone());
    let (round_trip, measured) = watch::channel(FIRST_ROUND_TRIP);
    let (copies, twice) = Twice::new(measured.clone(), estimate.clone());
    let [sound, pictures] =
        [opus(), h264()].map(|codec| CaptureClock::new(codec.rtp_codec.clock_rate));
    let registry = configure_twcc(Registry::new(), media)?
        .with(Slot::from(500), gate)
        .with(Slot::Pacer, Pacer::new(estimate.clone(), sent))
        .with(Slot::from(3_500), copies)
        .with(Slot::NackResponder, NackResponderBuilder::new().build())
        .with(Slot::NackGenerator, NackRequests::new(measured))
        .with(Slot::CongestionControl, CongestionControlBuilder::new(feedback).build());
    let registry = configure_rtcp_reports(registry)
        .with(Slot::from(10_500), SenderReports::new(sound.clone(), pictures.clone()))
        .with(Slot::from(20_000), TrackRtcp::default());
    Ok(Chain { registry, estimate, flood, round_trip, twice, sound, pictures })
}
