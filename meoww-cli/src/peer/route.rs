//! By which way the media goes, and how long it takes.

use rtc::{
    peer_connection::transport::RTCIceCandidateType, statistics::report::RTCStatsReportEntry,
};
use webrtc::peer_connection::{PeerConnection, StatsSelector};

use crate::clock;

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
    // The pair names its candidates without the prefix that their own entries have.
    let of_pair = |id: &str| {
        id.ends_with(&pair.local_candidate_id) || id.ends_with(&pair.remote_candidate_id)
    };
    let relayed = report.iter().any(|entry| match entry {
        RTCStatsReportEntry::LocalCandidate(candidate)
        | RTCStatsReportEntry::RemoteCandidate(candidate) => {
            candidate.candidate_type == RTCIceCandidateType::Relay && of_pair(entry.id())
        }
        _ => false,
    });
    Some(Route { rtt: pair.current_round_trip_time, relayed })
}
