//! What is counted during a phase.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use meoww_proto::error::SignalErrorCode;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    clock,
    swarm::News,
    usage::{Usage, Used},
};

const PROGRESS: Duration = Duration::from_secs(1);
/// One minute in nanoseconds: nothing is waited for longer.
const LONGEST: u64 = 60_000_000_000;

/// What a phase does again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Unit {
    pub(crate) name: &'static str,
    /// Ends of it that are seen: a match has two.
    #[serde(skip)]
    pub(crate) ends: u64,
    /// So many are what costs are given for.
    pub(crate) per: u64,
}

pub(crate) const CONNECTS: Unit = Unit { name: "connects", ends: 1, per: 1000 };
pub(crate) const MATCHES: Unit = Unit { name: "matches", ends: 2, per: 1000 };
pub(crate) const RELAYS: Unit = Unit { name: "relays", ends: 1, per: 100_000 };

/// One phase, as it goes.
pub(crate) struct Tally {
    name: &'static str,
    unit: Unit,
    started: Instant,
    stopped: Option<Instant>,
    told: Instant,
    latency: Histogram<u64>,
    counts: BTreeMap<&'static str, u64>,
    problems: BTreeMap<String, u64>,
    before: (Option<Usage>, Option<Usage>),
    pids: Vec<u32>,
}

/// One phase that is over.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Phase {
    pub(crate) phase: &'static str,
    pub(crate) unit: Unit,
    pub(crate) done: u64,
    pub(crate) seconds: f64,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// From when it was due, in milliseconds.
    pub(crate) latency_ms: Value,
    /// What went wrong, and how often.
    pub(crate) problems: BTreeMap<String, u64>,
    pub(crate) server: Option<Used>,
    /// For `unit.per` of them.
    pub(crate) server_cpu_seconds_per_unit: Option<f64>,
    pub(crate) own: Option<Used>,
}

impl Tally {
    /// Begins now. `pids` are the server's, where they are known.
    pub(crate) fn start(name: &'static str, unit: Unit, pids: &[u32]) -> Self {
        let (started, pids) = (clock(), pids.to_vec());
        let latency = Histogram::new_with_bounds(1, LONGEST, 3).expect("bounds within bounds");
        let before = (used_by(&pids), Usage::of("self").ok());
        let (counts, problems) = Default::default();
        let (stopped, told) = (None, started);
        Self { name, unit, started, stopped, told, latency, counts, problems, before, pids }
    }

    pub(crate) fn took(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.latency.saturating_record(nanos);
    }

    pub(crate) fn add(&mut self, what: &'static str, count: u64) {
        *self.counts.entry(what).or_default() += count;
    }

    pub(crate) fn problem(&mut self, what: &str) {
        *self.problems.entry(what.to_owned()).or_default() += 1;
    }

    /// News the phase is not about.
    pub(crate) fn aside(&mut self, news: &News) {
        match news {
            News::Gone(why) => self.problem(why),
            News::Refused(code) => self.problem(&refused(*code)),
            News::Parted => self.problem("partner lost"),
            News::Up { .. } | News::Matched { .. } | News::Said { .. } => {}
        }
    }

    /// How often the unit was done.
    pub(crate) fn done(&self) -> u64 {
        self.latency.len() / self.unit.ends
    }

    /// From here on it only waits for what is on its way.
    pub(crate) fn stop(&mut self) {
        self.stopped.get_or_insert_with(clock);
    }

    /// Tells how it goes, once a second.
    pub(crate) fn progress(&mut self, words: impl FnOnce(&Self) -> String) {
        if self.told.elapsed() >= PROGRESS {
            self.told = clock();
            crate::output::progress(self.name, &words(self));
        }
    }

    /// Ends now.
    pub(crate) fn finish(self) -> Phase {
        let (server, own) = (used_by(&self.pids), Usage::of("self").ok());
        let used = |now: Option<Usage>, before| Some(now?.since(before?));
        let (done, server) = (self.done(), used(server, self.before.0));
        let per_unit = |used: Used| used.cpu_seconds * self.unit.per as f64 / done as f64;
        let stopped = self.stopped.unwrap_or_else(clock);
        Phase {
            phase: self.name,
            unit: self.unit,
            done,
            seconds: (stopped - self.started).as_secs_f64(),
            counts: self.counts,
            latency_ms: latency(&self.latency),
            problems: self.problems,
            server,
            server_cpu_seconds_per_unit: server.filter(|_| done > 0).map(per_unit),
            own: used(own, self.before.1),
        }
    }
}

/// Of processes that can still be looked at.
fn used_by(pids: &[u32]) -> Option<Usage> {
    Usage::of_all(pids).ok().filter(|_| !pids.is_empty())
}

fn refused(code: SignalErrorCode) -> String {
    let code = serde_json::to_value(code).unwrap_or_default();
    format!("refused: {}", code.as_str().unwrap_or("unknown"))
}

fn latency(histogram: &Histogram<u64>) -> Value {
    let ms = |nanos: u64| (nanos as f64 / 1000.0).round() / 1000.0;
    let at = |quantile| ms(histogram.value_at_quantile(quantile));
    json!({
        "count": histogram.len(),
        "min": ms(histogram.min()),
        "mean": ms(histogram.mean() as u64),
        "p50": at(0.5),
        "p90": at(0.9),
        "p99": at(0.99),
        "p999": at(0.999),
        "max": ms(histogram.max()),
    })
}
