//! The log, on stderr: for people, or a JSON object a line for what collects logs.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt,
};

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Words.
    Text,
    /// An object a line.
    Json,
}

pub(crate) fn to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_env("MEOWW_LOG")
        .or_else(|_| EnvFilter::try_from_default_env())
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Where no line can be written, neither can a word about that.
        .log_internal_errors(false);
    let discreet = filter_fn(is_discreet);
    match format {
        LogFormat::Text => {
            log.with_ansi(std::io::stderr().is_terminal()).finish().with(discreet).init();
        }
        LogFormat::Json => {
            let log = log.json().flatten_event(true).with_current_span(false);
            log.finish().with(discreet).init();
        }
    }
}

/// At this level libraries say what passes through them; tungstenite, every word of a chat.
fn is_discreet(metadata: &Metadata<'_>) -> bool {
    *metadata.level() != Level::TRACE || metadata.target().starts_with("meoww")
}
