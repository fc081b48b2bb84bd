//! Rate limits by client address as layers of routes: they count, and tell where the client stands
//! (draft-ietf-httpapi-ratelimit-headers-06).

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{FromRef, Request, State},
    http::{HeaderName, HeaderValue, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::client::Client;
use crate::{
    clock,
    core::limits::{Network, Quota, Standing},
    services::{
        Refusal, Services,
        limits::{Gate, Gates},
    },
};

/// What every answer of a limited route carries, as express-rate-limit's `standardHeaders` does.
pub(crate) const HEADERS: [HeaderName; 4] = [
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("ratelimit-limit"),
    HeaderName::from_static("ratelimit-remaining"),
    HeaderName::from_static("ratelimit-reset"),
];

/// A limit by client address as a layer of a route.
#[derive(Clone)]
pub(crate) struct Limit {
    services: Arc<Services>,
    gate: fn(&Gates) -> &Gate<Network>,
    counts: fn(StatusCode) -> bool,
}

impl Limit {
    /// Counts every request.
    pub(crate) fn all(services: &Arc<Services>, gate: fn(&Gates) -> &Gate<Network>) -> Self {
        Self { services: services.clone(), gate, counts: |_| true }
    }

    /// Counts what failed by the client's fault. A right password that does not suffice (403) is
    /// no guess.
    pub(crate) fn failures(services: &Arc<Services>, gate: fn(&Gates) -> &Gate<Network>) -> Self {
        let counts =
            |status: StatusCode| status.is_client_error() && status != StatusCode::FORBIDDEN;
        Self { services: services.clone(), gate, counts }
    }
}

impl FromRef<Limit> for Arc<Services> {
    fn from_ref(limit: &Limit) -> Self {
        limit.services.clone()
    }
}

/// The layer: counts, answers or refuses, and says where the client stands.
pub(crate) async fn enforce(
    State(limit): State<Limit>,
    Client(client): Client,
    request: Request,
    next: Next,
) -> Response {
    let (gate, network) = ((limit.gate)(&limit.services.gates), Network::of(client));
    let (mut response, standing) = match gate.count(network) {
        None => return next.run(request).await,
        Some(Err(standing)) => {
            let wait = standing.reset(clock::instant());
            (Refusal::TooMany(gate.refusal, wait).into_response(), standing)
        }
        Some(Ok(counted)) => {
            let response = next.run(request).await;
            let standing = if (limit.counts)(response.status()) {
                counted
            } else {
                gate.forgive(&network, Some(counted)).unwrap_or(counted)
            };
            (response, standing)
        }
    };
    tell(&mut response, standing);
    response
}

fn tell(response: &mut Response, standing: Standing) {
    let Quota { requests, window } = standing.quota;
    let policy = format!("{requests};w={}", window.as_secs());
    let values = [
        HeaderValue::try_from(policy).expect("digits and signs"),
        requests.into(),
        standing.remaining.into(),
        whole_seconds(standing.reset(clock::instant())).into(),
    ];
    response.headers_mut().extend(HEADERS.into_iter().zip(values));
}

/// Rounded up: who comes back then is welcome.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000) as u64
}
