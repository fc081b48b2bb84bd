//! What can be seen of a running server. Each part counts for itself; [`Metrics`] knows them all
//! and writes them down in OpenMetrics text.

use std::fmt;

use meoww_proto::{error::SignalErrorCode, signal::RelayPayload};
use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::core::lobby::Counts;

/// `Content-Type` of what [`Metrics::encode`] gives.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels<const N: usize> = [(&'static str, String); N];

/// One of several counters or gauges under one name, found once and never looked up again.
fn one_of<M: Clone + Default>(
    family: &Family<Labels<1>, M>,
    label: &'static str,
    value: &str,
) -> M {
    family.get_or_create_owned(&[(label, value.to_owned())])
}

/// Work: buckets from 100 µs to 13 s.
fn work() -> Histogram {
    Histogram::new((0..18).map(|power| 1e-4 * f64::from(1 << power)))
}

/// What happens on sockets. Messages are counted on their way, so no counter is looked up there.
pub(crate) struct Sockets {
    /// Open on `/ws`.
    pub(crate) ws: Gauge,
    /// Open on `/socket.io`.
    pub(crate) socketio: Gauge,
    /// Connections closed because they read too slowly.
    pub(crate) slow_clients_disconnected: Counter,
    /// Rooms opened.
    pub(crate) matches: Counter,
    /// From a search to its match, for each of the two.
    pub(crate) match_wait: Histogram,
    offers: Counter,
    answers: Counter,
    candidates: Counter,
    chat: Counter,
    by_kind: Family<Labels<1>, Counter>,
    by_adapter: Family<Labels<1>, Gauge>,
    refused: Family<Labels<1>, Counter>,
}

impl Default for Sockets {
    fn default() -> Self {
        let by_kind = Family::default();
        let by_adapter = Family::default();
        Self {
            ws: one_of(&by_adapter, "adapter", "ws"),
            socketio: one_of(&by_adapter, "adapter", "socketio"),
            slow_clients_disconnected: Counter::default(),
            matches: Counter::default(),
            // People wait: buckets from 50 ms to 13 minutes.
            match_wait: Histogram::new((0..15).map(|power| 0.05 * f64::from(1 << power))),
            offers: one_of(&by_kind, "kind", "offer"),
            answers: one_of(&by_kind, "kind", "answer"),
            candidates: one_of(&by_kind, "kind", "candidate"),
            chat: one_of(&by_kind, "kind", "chat"),
            by_kind,
            by_adapter,
            refused: Family::default(),
        }
    }
}

impl Sockets {
    /// Where a message that is passed on to a partner is counted.
    pub(crate) fn relayed(&self, payload: &RelayPayload) -> &Counter {
        match payload {
            RelayPayload::Offer(_) => &self.offers,
            RelayPayload::Answer(_) => &self.answers,
            RelayPayload::Candidate(_) => &self.candidates,
            RelayPayload::Chat(_) => &self.chat,
        }
    }

    /// A client was told no.
    pub(crate) fn refused(&self, code: SignalErrorCode) {
        let name = serde_json::to_value(code).ok();
        let name = name.as_ref().and_then(|name| name.as_str()).unwrap_or_default();
        self.refused.get_or_create(&[("reason", name.to_owned())]).inc();
    }

    fn register(&self, registry: &mut Registry) {
        registry.register("connections", "Open sockets", self.by_adapter.clone());
        let slow = &self.slow_clients_disconnected;
        let closed = "Connections closed because they read too slowly";
        registry.register("slow_clients_disconnected", closed, slow.clone());
        registry.register("cut", "The former name of slow_clients_disconnected", slow.clone());
        registry.register("matches", "Pairs brought together", self.matches.clone());
        registry.register("relayed", "Messages passed to the partner", self.by_kind.clone());
        registry.register("refusals", "Events refused on sockets", self.refused.clone());
        registry.register_with_unit(
            "match_wait",
            "From the search to the match",
            Unit::Seconds,
            self.match_wait.clone(),
        );
    }
}

/// Counted in a gauge for as long as it lives.
pub(crate) struct Counted(Gauge);

impl Counted {
    pub(crate) fn in_gauge(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// How long the database takes.
#[derive(Clone)]
pub(crate) struct StoreLatency {
    pub(crate) read: Histogram,
    /// Until it is on disk.
    pub(crate) write: Histogram,
}

impl Default for StoreLatency {
    fn default() -> Self {
        Self { read: work(), write: work() }
    }
}

/// The line before the threads that hash passwords.
#[derive(Clone)]
pub(crate) struct HashQueue {
    pub(crate) waiting: Gauge,
    pub(crate) wait: Histogram,
}

impl Default for HashQueue {
    fn default() -> Self {
        Self { waiting: Gauge::default(), wait: work() }
    }
}

/// The connection to NATS, of a node of a fleet.
#[derive(Debug, Clone, Default)]
pub(crate) struct BusMetrics {
    /// 1 while it stands.
    pub(crate) connected: Gauge,
    /// Messages that could not leave: no connection, or too much waited.
    pub(crate) unsent: Counter,
    /// Messages from outside the fleet.
    pub(crate) rejected: Counter,
}

/// How things stand with a node of a fleet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FleetFigures {
    /// Other nodes it has a link to.
    pub(crate) peers: usize,
    /// The round of the highest term it follows.
    pub(crate) round: u64,
    /// Users on all nodes and those of them in the queue, if this node matches for all.
    pub(crate) matching: Option<[u32; 2]>,
}

/// Of a node of a fleet. Each figure can be summed over nodes but the round, of which the highest counts.
#[derive(Default)]
struct FleetMetrics {
    peers: Gauge,
    round: Gauge,
    matching: Gauge,
    online: Gauge,
    searching: Gauge,
}

impl FleetMetrics {
    fn register(registry: &mut Registry, bus: &BusMetrics) -> Self {
        let it = Self::default();
        registry.register("nats_connected", "Whether NATS is connected", bus.connected.clone());
        registry.register("nats_unsent", "Messages that could not leave", bus.unsent.clone());
        let rejected = "Messages from outside the fleet";
        registry.register("nats_rejected", rejected, bus.rejected.clone());
        registry.register("fleet_peers", "Other nodes it has a link to", it.peers.clone());
        registry.register("fleet_round", "Round of the term it follows", it.round.clone());
        registry.register("fleet_matching", "Whether it matches for all", it.matching.clone());
        let online = "Users on all nodes, of the node that matches";
        registry.register("fleet_online", online, it.online.clone());
        let searching = "Users in the queue of all nodes, of the node that matches";
        registry.register("fleet_searching", searching, it.searching.clone());
        it
    }

    fn set(&self, figures: FleetFigures) {
        self.peers.set(i64::try_from(figures.peers).unwrap_or(i64::MAX));
        self.round.set(i64::try_from(figures.round).unwrap_or(i64::MAX));
        self.matching.set(figures.matching.is_some().into());
        let [online, searching] = figures.matching.unwrap_or_default();
        self.online.set(online.into());
        self.searching.set(searching.into());
    }
}

/// Requests and what became of them.
#[derive(Default)]
pub(crate) struct Http {
    requests: Family<Labels<3>, Counter>,
    logins: Family<Labels<1>, Counter>,
    refused: Family<Labels<1>, Counter>,
}

impl Http {
    /// One more was answered. `route` is the pattern it matched, never what the client wrote.
    pub(crate) fn answered(&self, method: &'static str, route: &str, status: u16) {
        let labels = [
            ("method", method.to_owned()),
            ("route", route.to_owned()),
            ("status", status.to_string()),
        ];
        self.requests.get_or_create(&labels).inc();
        if route == "/api/auth/login" && method == "POST" {
            let outcome = if status == 200 { "ok" } else { "failed" };
            self.logins.get_or_create(&[("outcome", outcome.to_owned())]).inc();
        }
    }

    pub(crate) fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&[("reason", reason.to_owned())]).inc();
    }

    fn register(&self, registry: &mut Registry) {
        registry.register("http_requests", "Requests answered", self.requests.clone());
        registry.register("http_refusals", "Requests refused", self.refused.clone());
        registry.register("logins", "Attempts to log in", self.logins.clone());
    }
}

/// Everything that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) http: Http,
    mails: Family<Labels<1>, Counter>,
    online: Gauge,
    searching: Gauge,
    rooms: Gauge,
    fleet: Option<FleetMetrics>,
}

impl Metrics {
    /// `bus` is there for a node of a fleet alone.
    pub(crate) fn new(
        sockets: &Sockets,
        store: &StoreLatency,
        hashing: &HashQueue,
        bus: Option<&BusMetrics>,
    ) -> Self {
        let mut registry = Registry::with_prefix("meoww");
        let (http, online) = (Http::default(), Gauge::default());
        let mails = Family::<Labels<1>, Counter>::default();
        let (searching, rooms) = (Gauge::default(), Gauge::default());
        sockets.register(&mut registry);
        http.register(&mut registry);
        registry.register("mails", "Tries to send a mail", mails.clone());
        registry.register("online", "Users with an open socket", online.clone());
        registry.register("searching", "Users in the queue", searching.clone());
        registry.register("rooms", "Rooms of two", rooms.clone());
        let waiting = hashing.waiting.clone();
        registry.register("hash_queue_depth", "Passwords that wait to be hashed", waiting);
        let times = [
            ("hash_queue_wait", "Before a password is hashed", &hashing.wait),
            ("store_read", "Reads of the database", &store.read),
            ("store_write", "Writes of the database, until they are on disk", &store.write),
        ];
        for (name, help, times) in times {
            registry.register_with_unit(name, help, Unit::Seconds, times.clone());
        }
        let fleet = bus.map(|bus| FleetMetrics::register(&mut registry, bus));
        Self { registry, http, mails, online, searching, rooms, fleet }
    }

    /// Counts a try to send a mail.
    pub(crate) fn mail(&self, outcome: &'static str) {
        one_of(&self.mails, "outcome", outcome).inc();
    }

    /// OpenMetrics text, with the lobby as it is now.
    pub(crate) fn encode(
        &self,
        counts: Counts,
        figures: FleetFigures,
    ) -> Result<String, fmt::Error> {
        if let Some(fleet) = &self.fleet {
            fleet.set(figures);
        }
        let now = [
            (&self.online, counts.users),
            (&self.searching, counts.searching),
            (&self.rooms, counts.rooms),
        ];
        for (gauge, count) in now {
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_written_down() {
        let (sockets, store, hashing) =
            (Sockets::default(), StoreLatency::default(), HashQueue::default());
        let bus = BusMetrics::default();
        let metrics = Metrics::new(&sockets, &store, &hashing, Some(&bus));
        let open = Counted::in_gauge(&sockets.ws);
        sockets.relayed(&RelayPayload::Chat("hello".into())).inc();
        sockets.refused(SignalErrorCode::NotInRoom);
        store.write.observe(0.003);
        metrics.http.answered("POST", "/api/auth/login", 401);
        metrics.mail("retried");
        bus.unsent.inc();
        let figures = FleetFigures { peers: 2, round: 7, matching: Some([5, 1]) };
        let counts = Counts { searching: 3, ..Counts::default() };
        let text = metrics.encode(counts, figures).expect("text");
        for line in [
            "meoww_connections{adapter=\"ws\"} 1",
            "meoww_connections{adapter=\"socketio\"} 0",
            "meoww_relayed_total{kind=\"chat\"} 1",
            "meoww_refusals_total{reason=\"not-in-room\"} 1",
            "meoww_logins_total{outcome=\"failed\"} 1",
            "meoww_mails_total{outcome=\"retried\"} 1",
            "meoww_http_requests_total{method=\"POST\",route=\"/api/auth/login\",status=\"401\"} 1",
            "meoww_searching 3",
            "meoww_store_write_seconds_count 1",
            "meoww_nats_unsent_total 1",
            "meoww_fleet_peers 2",
            "meoww_fleet_round 7",
            "meoww_fleet_matching 1",
            "meoww_fleet_online 5",
            "# EOF",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
        }
        drop(open);
        assert_eq!(sockets.ws.get(), 0);
    }
}
