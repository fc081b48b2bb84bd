//! Figures, and what is left of them over many calls.

use std::time::Duration;

use meoww_examples::network::{Network, Way};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// One peer's view of one call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PeerReport {
    pub(crate) search_to_matched_ms: f64,
    pub(crate) matched_to_connected_ms: f64,
    pub(crate) matched_to_first_frame_ms: f64,
    pub(crate) glass_to_glass_p50_ms: f64,
    pub(crate) glass_to_glass_p95_ms: f64,
    pub(crate) glass_to_glass_p99_ms: f64,
    pub(crate) mouth_to_ear_p50_ms: f64,
    pub(crate) mouth_to_ear_p99_ms: f64,
    /// Between a picture and the sound of its moment: the age of the one less that of the other, at the
    /// click next to it in time.
    pub(crate) lip_sync_p95_ms: f64,
    pub(crate) clicks_heard: u64,
    pub(crate) sound_concealed_ms: u64,
    pub(crate) sound_kbps_in: f64,
    pub(crate) sound_packets_lost: u64,
    pub(crate) frames_sent: u64,
    pub(crate) frames_decoded: u64,
    pub(crate) frames_drawn: u64,
    pub(crate) frames_lost: u64,
    pub(crate) key_frames_asked_a_minute: f64,
    pub(crate) pattern_frames_missed: u64,
    pub(crate) longest_freeze_ms: f64,
    pub(crate) fps_drawn: f64,
    pub(crate) kbps_in: f64,
    pub(crate) rtt_ms: Option<f64>,
    pub(crate) cpu_seconds_a_minute: f64,
    pub(crate) terminal_bytes_a_second: f64,
    /// From the end of the network's outage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sound_back_after_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) picture_back_after_ms: Option<f64>,
}

/// A peer's account of a call.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PeerOutput {
    pub(crate) report: PeerReport,
    /// When each time without sound, and without a picture, was over: milliseconds of the wall clock,
    /// which all processes of a machine share.
    pub(crate) sound_resumed_ms: Vec<f64>,
    pub(crate) picture_resumed_ms: Vec<f64>,
}

/// The record of one call in one direction.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NetReport {
    network_packets: u64,
    longest_queue_ms: f64,
    sent_kbps: f64,
    /// From the fall of the rate until half a second begins in which no more is sent than passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    below_after_ms: Option<f64>,
    /// From the rise of the rate until a second begins with 80 % of what was sent before the fall.
    #[serde(skip_serializing_if = "Option::is_none")]
    back_after_ms: Option<f64>,
    /// Of all that passed a shared bottleneck, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    share_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    download_share_percent: Option<f64>,
}

/// For "never", so that it shows in the greatest.
const NEVER_MS: f64 = 1e6;
/// How long before a fall of the rate what is sent counts as usual.
const BEFORE: Duration = Duration::from_secs(4);

impl NetReport {
    /// In a call that has lasted so long.
    pub(crate) fn of(network: &Network, way: Way, lasted: Duration) -> Self {
        let record = network.record(way);
        let millis =
            |time: Option<Duration>| time.map_or(NEVER_MS, |time| time.as_secs_f64() * 1e3);
        let dip = network.profile().dip().filter(|(_, rise)| *rise < lasted);
        let below = dip.map(|(fall, rise)| {
            let rate = network.profile().at(way, fall).rate.map_or(f64::INFINITY, f64::from);
            millis(record.time_to(fall, rise, Duration::from_millis(500), |bps| bps <= rate))
        });
        let back = dip.map(|(fall, rise)| {
            let usual = record.sent_bps(fall.saturating_sub(BEFORE)..fall);
            let span = Duration::from_secs(1);
            millis(record.time_to(rise, lasted, span, |bps| bps >= 0.8 * usual))
        });
        let all = Duration::ZERO..lasted;
        let bytes =
            |way| network.record(way).delivered_bps(all.clone()) * lasted.as_secs_f64() / 8.0;
        let downloaded = network.downloaded() as f64;
        let total = bytes(Way::There) + bytes(Way::Back) + downloaded;
        let shared = network.profile().shared;
        Self {
            network_packets: record.packets,
            longest_queue_ms: record.longest_queue.as_secs_f64() * 1e3,
            sent_kbps: record.sent_bps(all.clone()) / 1e3,
            below_after_ms: below,
            back_after_ms: back,
            share_percent: shared.then(|| bytes(way) / total * 100.0),
            download_share_percent: shared.then(|| downloaded / total * 100.0),
        }
    }
}

/// A network's account of a call.
pub(crate) struct PathReport {
    pub(crate) ways: [NetReport; 2],
    /// When nothing passed for some time, the end of that: milliseconds of the wall clock.
    pub(crate) outage_over_ms: Option<f64>,
}

/// The figures of one call.
pub(crate) struct CallReport {
    peers: [PeerReport; 2],
    /// Each way, when there was a network between them.
    network: Option<[NetReport; 2]>,
}

impl CallReport {
    pub(crate) fn new(peers: [PeerOutput; 2], path: Option<PathReport>) -> Self {
        let over = path.as_ref().and_then(|path| path.outage_over_ms);
        let peers = peers.map(|peer| PeerReport {
            sound_back_after_ms: over.map(|over| back_after(&peer.sound_resumed_ms, over)),
            picture_back_after_ms: over.map(|over| back_after(&peer.picture_resumed_ms, over)),
            ..peer.report
        });
        Self { peers, network: path.map(|path| path.ways) }
    }
}

/// From the end of an outage until what it interrupted came again.
fn back_after(resumed_ms: &[f64], over_ms: f64) -> f64 {
    resumed_ms.iter().find(|at| **at > over_ms).map_or(NEVER_MS, |at| at - over_ms)
}

/// Nearest rank in a sorted list, 0 of an empty one.
pub(crate) fn percentile(sorted: &[f64], fraction: f64) -> f64 {
    let rank = (fraction * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// Median, least and greatest of every figure. All are over both peers, except how long a search
/// takes: that is of the peer who finds somebody waiting. Those of a network are over both directions.
pub(crate) fn summary(conditions: Value, calls: &[CallReport], failed: usize) -> Value {
    let peers: Vec<Value> =
        calls.iter().flat_map(|call| &call.peers).map(|peer| json!(peer)).collect();
    let coming: Vec<Value> = calls.iter().map(|call| json!(call.peers[1])).collect();
    let ways: Vec<Value> =
        calls.iter().flat_map(|call| call.network.iter().flatten()).map(|way| json!(way)).collect();
    let mut figures = Map::new();
    for name in peers.iter().take(1).chain(ways.iter().take(1)).flat_map(names) {
        let of = match name.as_str() {
            "searchToMatchedMs" => &coming,
            name if peers[0].get(name).is_some() => &peers,
            _ => &ways,
        };
        let mut values: Vec<f64> = of.iter().filter_map(|report| report[&name].as_f64()).collect();
        values.sort_by(f64::total_cmp);
        let figure = |fraction| (percentile(&values, fraction) * 1000.0).round() / 1000.0;
        let spread = json!({"median": figure(0.5), "min": figure(0.0), "max": figure(1.0)});
        figures.insert(name, spread);
    }
    json!({"conditions": conditions, "failed": failed, "figures": figures})
}

fn names(report: &Value) -> Vec<String> {
    report.as_object().map(|report| report.keys().cloned().collect()).unwrap_or_default()
}
