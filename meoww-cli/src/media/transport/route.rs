//! By which way the media goes, and how long it takes.

use rtc::{
    peer_connection::transport::RTCIceCandidateType, statistics::report::RTCStatsReportEntry,
};
use webrtc::peer_connection::{PeerConnection, StatsSelector};

use crate::media::clock;

/// The selected pair of candidates.
pub(super) struct Route {
    /// Seconds there and back.
    pub(super) rtt: f64,
    /// Through a TURN relay on either side.
    pub(super) relayed: bool,
}

/// `None` before a pair was selected.
pub(super) async fn of(connection: &dyn PeerConnection) -> Option<Route> {
    let report = connection.get_stats(clock::now(), StatsSelector::None).await;
    let pair = &report.transport()?.selected_candidate_pair_id;
    let Some(RTCStatsReportEntry::IceCandidatePair(pair)) = report.get(pair) else {
        return None;
    };
    let is_relay = |id: &str| match report.get(id) {
        Some(
            RTCStatsReportEntry::LocalCandidate(candidate)
            | RTCStatsReportEntry::RemoteCandidate(candidate),
        ) => candidate.candidate_type == RTCIceCandidateType::Relay,
        Some(_) | None => false,
    };
    let relayed = is_relay(&pair.local_candidate_id) || is_relay(&pair.remote_candidate_id);
    Some(Route { rtt: pair.current_round_trip_time, relayed })
}
