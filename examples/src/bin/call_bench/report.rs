//! Figures, and what is left of them over many calls.

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
    pub(crate) glass_to_glass_p99_ms: f64,
    pub(crate) mouth_to_ear_p50_ms: f64,
    pub(crate) mouth_to_ear_p99_ms: f64,
    pub(crate) clicks_heard: u64,
    pub(crate) sound_concealed_ms: u64,
    pub(crate) sound_kbps_in: f64,
    pub(crate) sound_packets_lost: u64,
    pub(crate) frames_sent: u64,
    pub(crate) frames_decoded: u64,
    pub(crate) frames_drawn: u64,
    pub(crate) frames_lost: u64,
    pub(crate) pattern_frames_missed: u64,
    pub(crate) longest_freeze_ms: f64,
    pub(crate) fps_drawn: f64,
    pub(crate) kbps_in: f64,
    pub(crate) rtt_ms: Option<f64>,
    pub(crate) cpu_seconds_a_minute: f64,
    pub(crate) terminal_bytes_a_second: f64,
}

/// Nearest rank in a sorted list, 0 of an empty one.
pub(crate) fn percentile(sorted: &[f64], fraction: f64) -> f64 {
    let rank = (fraction * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// Median, least and greatest of every figure. All are over both peers, except how long a search
/// takes: that is of the peer who finds somebody waiting.
pub(crate) fn summary(conditions: Value, calls: &[[PeerReport; 2]]) -> Value {
    let peers: Vec<Value> = calls.iter().flatten().map(|peer| json!(peer)).collect();
    let coming: Vec<Value> = calls.iter().map(|[_, coming]| json!(coming)).collect();
    let mut figures = Map::new();
    for name in peers.first().and_then(Value::as_object).into_iter().flat_map(Map::keys) {
        let of = if name == "searchToMatchedMs" { &coming } else { &peers };
        let mut values: Vec<f64> = of.iter().filter_map(|peer| peer[name].as_f64()).collect();
        values.sort_by(f64::total_cmp);
        let figure = |fraction| (percentile(&values, fraction) * 1000.0).round() / 1000.0;
        let spread = json!({"median": figure(0.5), "min": figure(0.0), "max": figure(1.0)});
        figures.insert(name.clone(), spread);
    }
    json!({"conditions": conditions, "figures": figures})
}
