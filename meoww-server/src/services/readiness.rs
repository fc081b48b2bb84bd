//! Whether the server can do its work: what a load balancer asks, often, and from anywhere, so what
//! it costs is bounded by asking the disk and the mail server only now and then.

use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::Mutex;

use crate::{clock, services::Services};

/// How long an answer of the database is good.
const DATABASE_INTERVAL: Duration = Duration::from_secs(5);
/// How long an answer of the mail server is good: it may count connections.
const MAIL_INTERVAL: Duration = Duration::from_secs(30);
/// Longest a check may take before it counts as failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// What was last found out.
#[derive(Default)]
pub(crate) struct Readiness {
    database: Check,
    mail: Check,
}

/// What is said about it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    status: &'static str,
    database: State,
    mail: State,
    matching: State,
}

impl Report {
    /// Whether users are to be sent to this server.
    pub(crate) fn is_ready(&self) -> bool {
        ["ready", "degraded"].contains(&self.status)
    }
}

/// One part. Why it failed is for the log, not for whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Ok,
    Failed,
}

/// Held while checking, so that many who ask at once share one check.
#[derive(Default)]
struct Check(Mutex<Option<(Instant, State)>>);

impl Readiness {
    pub(crate) async fn report(&self, services: &Services) -> Report {
        let (database, mail) = tokio::join!(
            self.database.state("database", DATABASE_INTERVAL, services.store.probe(clock::now())),
            self.mail.state("mail", MAIL_INTERVAL, services.mailer.check()),
        );
        let matching = if services.hub.has_failed() { State::Failed } else { State::Ok };
        let status = match (database, mail, matching) {
            _ if services.is_draining() || services.closing.is_cancelled() => "draining",
            (State::Ok, State::Ok, State::Ok) => "ready",
            // All servers of a fleet lack it, and calls and matching go on: to leave them out would end those.
            (_, _, State::Ok) if services.hub.node().is_some() => "degraded",
            _ => "failed",
        };
        Report { status, database, mail, matching }
    }
}

impl Check {
    async fn state<E: std::fmt::Display>(
        &self,
        part: &str,
        interval: Duration,
        check: impl Future<Output = Result<(), E>>,
    ) -> State {
        let mut last = self.0.lock().await;
        let now = clock::instant();
        match *last {
            Some((at, state)) if now.duration_since(at) < interval => return state,
            Some(_) | None => {}
        }
        let failure = match tokio::time::timeout(CHECK_TIMEOUT, check).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("no answer in time".to_owned()),
        };
        let state = if failure.is_none() { State::Ok } else { State::Failed };
        let before = last.replace((clock::instant(), state)).map(|(_, state)| state);
        match failure {
            Some(error) => tracing::warn!(part, %error, "readiness check failed"),
            None if before == Some(State::Failed) => {
                tracing::info!(part, "readiness check passes again")
            }
            None => {}
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[tokio::test]
    async fn one_check_serves_all_who_ask_in_its_time() {
        let check = Check::default();
        let (runs, fails) = (Cell::new(0), Cell::new(true));
        let run = async || {
            runs.set(runs.get() + 1);
            if fails.get() { Err("broken") } else { Ok(()) }
        };
        let long = Duration::from_secs(3600);
        let (one, other) =
            tokio::join!(check.state("disk", long, run()), check.state("disk", long, run()));
        assert_eq!((one, other, runs.get()), (State::Failed, State::Failed, 1));
        fails.set(false);
        assert_eq!(check.state("disk", long, run()).await, State::Failed);
        assert_eq!(check.state("disk", Duration::ZERO, run()).await, State::Ok);
        assert_eq!(runs.get(), 2);
    }
}
