//! The stages that each packet of media passes on its way out and in.

use std::{
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use rtc::{
    interceptor::{
        CongestionControlBuilder, NackResponderBuilder, PacerBuilder, Registry, Slot,
        TwccReceiverBuilder,
    },
    peer_connection::configuration::{
        interceptor_registry::{configure_rtcp_reports, configure_twcc_sender_only},
        media_engine::MediaEngine,
    },
};
use tokio::sync::watch;

use super::{
    capture_clock::{CaptureClock, SenderReports},
    codecs::{h264, opus},
    estimate::CongestionControl,
    flood::FloodGate,
    nack::{FIRST_ROUND_TRIP, NackRequests},
    pace::Pacer,
    rtcp::TrackRtcp,
    sound_source::SoundSource,
    stage::Staged,
    twice::Twice,
};

/// From one report on what came to the next. Shorter than the crate's own 100 ms, as a path that gets narrow
/// is noticed the sooner, and no shorter, as reports take from a narrow path what sound needs.
const REPORTS: Duration = Duration::from_millis(60);

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

/// A gate before floods, a sound whose source changes, retransmission, transport-wide feedback into the
/// estimator, pacing, reports with
/// the moment of capture, RTCP for tracks.
///
/// # Errors
///
/// When the library refuses to know transport-wide feedback.
pub(super) fn chain(
    media: &mut MediaEngine,
    congestion_control: CongestionControl,
) -> anyhow::Result<Chain> {
    let (gate, flood) = FloodGate::new();
    let sent = Arc::<AtomicU32>::default();
    let (estimator, estimate) = congestion_control.estimator(sent.clone());
    let (round_trip, measured) = watch::channel(FIRST_ROUND_TRIP);
    let (copies, twice) = Twice::new(measured.clone(), estimate.clone());
    let [sound, pictures] =
        [opus(), h264()].map(|codec| CaptureClock::new(codec.rtp_codec.clock_rate));
    let registry = configure_twcc_sender_only(Registry::new(), media)?
        .with(Slot::TwccReceiver, TwccReceiverBuilder::new().with_interval(REPORTS).build())
        .with(Slot::from(500), Staged::new(gate))
        .with(Slot::from(600), Staged::new(SoundSource::default()))
        .with(Slot::from(3_500), Staged::new(copies))
        .with(Slot::NackResponder, NackResponderBuilder::new().build())
        .with(Slot::NackGenerator, Staged::new(NackRequests::new(measured)))
        .with(Slot::CongestionControl, CongestionControlBuilder::new(estimator).build());
    let registry = match congestion_control {
        CongestionControl::Ours => {
            registry.with(Slot::Pacer, Staged::new(Pacer::new(estimate.clone(), sent)))
        }
        CongestionControl::Crate => {
            let pacer = PacerBuilder::new().with_target_bitrate(CongestionControl::START_BPS);
            registry.with(Slot::Pacer, pacer.build())
        }
    };
    let registry = configure_rtcp_reports(registry)
        .with(Slot::from(10_500), Staged::new(SenderReports::new(sound.clone(), pictures.clone())))
        .with(Slot::from(20_000), Staged::new(TrackRtcp));
    Ok(Chain { registry, estimate, flood, round_trip, twice, sound, pictures })
}
