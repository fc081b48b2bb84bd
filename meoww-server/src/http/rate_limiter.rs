//! Rate limits by client address or account as layers of routes: they count, and tell where the client stands
//! (draft-ietf-httpapi-ratelimit-headers-06).

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    extract::{FromRef, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{client::Client, device};
use crate::{
    clock,
    core::limits::{Caller, Network, Quota, RateLimitStatus},
    services::{
        Refusal, Services,
        limits::{RateLimiter, RateLimiters},
    },
    store::StoreError,
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
    rate_limiter: fn(&RateLimiters) -> &RateLimiter<Caller>,
    counts: fn(StatusCode) -> bool,
    knows_accounts: bool,
}

impl Limit {
    /// Counts every request but those that the server put off (503): they are to come again.
    pub(crate) fn all(
        services: &Arc<Services>,
        rate_limiter: fn(&RateLimiters) -> &RateLimiter<Caller>,
    ) -> Self {
        Self {
            services: services.clone(),
            rate_limiter,
            counts: |status| status != StatusCode::SERVICE_UNAVAILABLE,
            knows_accounts: false,
        }
    }

    /// Counts what failed by the client's fault. A right password that does not suffice (403) is
    /// no guess.
    pub(crate) fn failures(
        services: &Arc<Services>,
        rate_limiter: fn(&RateLimiters) -> &RateLimiter<Caller>,
    ) -> Self {
        let counts =
            |status: StatusCode| status.is_client_error() && status != StatusCode::FORBIDDEN;
        Self { services: services.clone(), rate_limiter, counts, knows_accounts: false }
    }

    /// Counts who shows a session or a known device by account, so that a neighbour in the network
    /// cannot lock them out. All of an account together, as everybody can open sessions of their own.
    pub(crate) fn knowing_accounts(self) -> Self {
        Self { knows_accounts: true, ..self }
    }

    async fn caller(&self, client: IpAddr, headers: &HeaderMap) -> Result<Caller, StoreError> {
        let known = match self.knows_accounts {
            true => device::known_account(&self.services, headers).await?,
            false => None,
        };
        Ok(known.map_or(Caller::Network(Network::of(client)), Caller::Account))
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
    let caller = match limit.caller(client, request.headers()).await {
        Ok(caller) => caller,
        Err(error) => return Refusal::from(error).into_response(),
    };
    let rate_limiter = (limit.rate_limiter)(&limit.services.rate_limiters);
    let (mut response, status) = match rate_limiter.count(caller).await {
        Err(error) => return Refusal::from(error).into_response(),
        Ok(None) => return next.run(request).await,
        Ok(Some(Err(status))) => {
            let wait = status.reset(clock::instant());
            (Refusal::TooMany(rate_limiter.refusal, wait).into_response(), status)
        }
        Ok(Some(Ok(counted))) => {
            let response = next.run(request).await;
            let status = if (limit.counts)(response.status()) {
                counted.status
            } else {
                rate_limiter.take_back(counted).await
            };
            (response, status)
        }
    };
    tell(&mut response, status);
    response
}

fn tell(response: &mut Response, status: RateLimitStatus) {
    let Quota { requests, window } = status.quota;
    let policy = format!("{requests};w={}", window.as_secs());
    let values = [
        HeaderValue::try_from(policy).expect("digits and signs"),
        requests.into(),
        status.remaining.into(),
        whole_seconds(status.reset(clock::instant())).into(),
    ];
    response.headers_mut().extend(HEADERS.into_iter().zip(values));
}

/// Rounded up: who comes back then is welcome.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000) as u64
}
