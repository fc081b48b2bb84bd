//! What reports say together: of packets that were sent, which arrived, and when.

/// Standard deviations by which the share that is lost may be greater by chance: a slow start has so
/// few packets that loss it could bear would stop it.
const DEVIATIONS: f64 = 1.5;
/// Packets lost together, and the seconds in which they were sent, from which it is taken that the report
/// was lost and not they: reports come some sixteen times a second.
const RUN: usize = 3;
const RUN_SECONDS: f64 = 0.035;

/// Packets behind each other in a queue, and the seconds in which they arrive, that tell how fast it is
/// emptied.
const LEAST_QUEUED: usize = 4;
const LEAST_SPAN: f64 = 0.020;

/// Bytes of a packet that takes longer than clocks are inexact.
const LARGE: usize = 500;

/// What became of one packet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fate {
    pub(super) bytes: usize,
    /// When it was sent, in seconds since any fixed moment.
    pub(super) departed: f64,
    /// One-way delay in seconds plus any constant; `None` when it was lost.
    pub(super) delay: Option<f64>,
}

/// The share that is lost at least, when this much of so many packets is.
pub(super) fn certain(loss: f64, sent: f64) -> f64 {
    loss - DEVIATIONS * (loss * (1.0 - loss) / sent).sqrt()
}

/// A packet not reported before one that arrived counts as lost, also when the report that named
/// it was lost. Leaves out such runs.
pub(super) fn without_lost_reports(fates: Vec<Fate>) -> Vec<Fate> {
    let mut kept = Vec::with_capacity(fates.len());
    let mut runs = fates.chunk_by(|a, b| a.delay.is_some() == b.delay.is_some()).peekable();
    while let Some(run) = runs.next() {
        let [first, .., last] = run else {
            kept.extend(run);
            continue;
        };
        let is_lost = first.delay.is_none() && runs.peek().is_some();
        if !(is_lost && run.len() >= RUN && last.departed - first.departed >= RUN_SECONDS) {
            kept.extend(run);
        }
    }
    kept
}

/// Bits a second that were sent, by the times of departure, and which part of that arrived, by the times
/// of arrival.
pub(super) fn sent(window: &[Fate], seconds: f64) -> (f64, f64) {
    let bits = |fates: &[Fate]| fates.iter().map(|fate| fate.bytes as f64 * 8.0).sum::<f64>();
    let arrived: Vec<_> = window.iter().copied().filter(|fate| fate.delay.is_some()).collect();
    let span = |fates: &[Fate], at: fn(&Fate) -> f64| {
        let (first, last) = (fates.first().map(at), fates.last().map(at));
        first.zip(last).map_or(0.0, |(first, last)| last - first).max(seconds * 0.3)
    };
    let sent = bits(window) / span(window, |fate| fate.departed);
    let passed = bits(&arrived) / span(&arrived, |fate| fate.departed + fate.delay.unwrap_or(0.0));
    (sent, passed / sent)
}

/// Bits a second that the bottleneck carries: by the arrivals of the packets at the end of a window that
/// were all delayed by more than `waited` seconds, one behind the other. `None` where there are too few.
pub(super) fn carried(window: &[Fate], base: f64, waited: f64) -> Option<f64> {
    let mut next = None;
    // Packets that a lost report named were carried as well, but are not in the window.
    let in_a_row = |fate: &&Fate| {
        let next = next.replace(fate.departed).unwrap_or(fate.departed);
        next - fate.departed < RUN_SECONDS
    };
    let arrived =
        window.iter().rev().take_while(in_a_row).filter_map(|fate| Some((fate, fate.delay?)));
    let queued = arrived.take_while(|(_, delay)| delay - base > waited);
    let queued: Vec<_> = queued.map(|(fate, delay)| (fate.departed + delay, fate.bytes)).collect();
    let (Some((last, _)), Some((first, _))) = (queued.first(), queued.last()) else { return None };
    // The first was carried before the time between the arrivals.
    let bits: f64 = queued.iter().rev().skip(1).map(|(_, bytes)| *bytes as f64 * 8.0).sum();
    (queued.len() >= LEAST_QUEUED && last - first > LEAST_SPAN).then(|| bits / (last - first))
}

/// Large packets that arrived so soon after the one before that the bottleneck must be faster than this, in
/// bits a second: it sends a packet at its own rate, whatever else waits there (packet pairs: Dovrolis et
/// al., "Packet-dispersion techniques and a capacity-estimation methodology", 2004).
pub(super) fn faster(window: &[Fate], bps: f64) -> usize {
    let arrivals = window.iter().filter_map(|fate| Some((fate.departed + fate.delay?, fate.bytes)));
    let pairs = arrivals.clone().zip(arrivals.skip(1));
    pairs
        .filter(|((before, _), (at, bytes))| {
            *bytes >= LARGE && *at > *before && *bytes as f64 * 8.0 / (at - before) > bps
        })
        .count()
}

/// Bits a second that arrived, by the times of arrival: where packets wait in a queue, that is what the
/// bottleneck carries, however fast they were sent and reported.
pub(super) fn received(window: &[Fate], seconds: f64) -> f64 {
    let arrivals = window.iter().filter_map(|fate| fate.delay.map(|delay| fate.departed + delay));
    let (first, last) = arrivals.fold((f64::INFINITY, f64::NEG_INFINITY), |(first, last), at| {
        (first.min(at), last.max(at))
    });
    let arrived = window.iter().filter(|fate| fate.delay.is_some());
    let bits = arrived.map(|fate| fate.bytes as f64 * 8.0).sum::<f64>();
    bits / (last - first).max(seconds)
}
