//! What happened, for whoever looks into a fault: into a file, as the screen belongs to the call.

use std::sync::Mutex;

use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::{
    config::Paths,
    error::Error,
    files::{file_error, open_private},
};

/// Logs what `MEOWW_LOG` asks for (`debug`, `meoww_cli=trace,warn`); nothing when it is not set.
pub(crate) fn start(paths: &Paths) -> Result<(), Error> {
    let Ok(filter) = std::env::var("MEOWW_LOG") else { return Ok(()) };
    let file = open_private(&paths.log).map_err(|source| file_error(&paths.log, source))?;
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(false)
        // Those go to stderr, and where that cannot be written to, they end the program.
        .log_internal_errors(false)
        .with_writer(Mutex::new(file))
        .finish()
        .with(filter_fn(is_discreet))
        .init();
    Ok(())
}

/// A log is what people send to others who are to find a fault. At the lowest level libraries say what
/// passes through them, passwords and every word of a chat; those of the media connection name
/// addresses of both sides at every level.
fn is_discreet(metadata: &Metadata<'_>) -> bool {
    let of = |name: &str| metadata.target().starts_with(name);
    of("meoww") || *metadata.level() != Level::TRACE && !of("rtc") && !of("webrtc")
}
