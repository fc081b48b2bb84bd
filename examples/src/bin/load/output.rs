//! The one place that prints: figures on stdout, what goes on meanwhile on stderr.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where printing is done")]

use serde::Serialize;

use crate::tally::Phase;

/// All there is to tell.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) server: String,
    pub(crate) connections: usize,
    /// Ended by hand: the last phase is a part of one.
    pub(crate) interrupted: bool,
    pub(crate) phases: Vec<Phase>,
}

pub(crate) fn progress(phase: &str, words: &str) {
    eprintln!("{phase}: {words}");
}

pub(crate) fn error(error: &anyhow::Error) {
    eprintln!("load: {error:#}");
}

pub(crate) fn report(report: &Report, as_json: bool) {
    if as_json {
        println!("{:#}", serde_json::json!(report));
        return;
    }
    println!(
        "{:<8} {:>9} {:>9} {:>8} {:>8} {:>8} {:>8} {:>11} {:>9} {:>9} {:>7}",
        "phase",
        "done",
        "a second",
        "p50 ms",
        "p99",
        "p99.9",
        "max",
        "server CPU",
        "per unit",
        "MiB",
        "own CPU"
    );
    report.phases.iter().for_each(row);
    for phase in &report.phases {
        for (what, count) in phase.problems.iter() {
            println!("{}: {what}: {count}", phase.phase);
        }
        for (what, count) in phase.counts.iter().filter(|(_, count)| **count > 0) {
            println!("{}: {count} {what}", phase.phase);
        }
    }
    if report.interrupted {
        println!("interrupted: the last phase is a part of one");
    }
}

fn row(phase: &Phase) {
    let seconds = |value: Option<f64>| value.map_or_else(|| "-".into(), |s| format!("{s:.3}"));
    let ms = |name: &str| format!("{:.3}", phase.latency_ms[name].as_f64().unwrap_or_default());
    let mib = phase.server.map_or_else(
        || "-".into(),
        |used| format!("{:.1}", used.rss_bytes_after as f64 / f64::from(1 << 20)),
    );
    println!(
        "{:<8} {:>9} {:>9.0} {:>8} {:>8} {:>8} {:>8} {:>11} {:>9} {:>9} {:>7}",
        phase.phase,
        phase.done,
        phase.done as f64 / phase.seconds.max(f64::EPSILON),
        ms("p50"),
        ms("p99"),
        ms("p999"),
        ms("max"),
        seconds(phase.server.map(|used| used.cpu_seconds)),
        seconds(phase.server_cpu_seconds_per_unit),
        mib,
        seconds(phase.own.map(|used| used.cpu_seconds)),
    );
}
