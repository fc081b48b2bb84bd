//! Rate limits, with the words of the Node.js backend. Those by client address are layers of their
//! routes and tell where the client stands (draft-ietf-httpapi-ratelimit-headers-06); those by
//! account are asked by the handlers.

use std::{
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    extract::{FromRef, Request, State},
    http::{HeaderName, HeaderValue, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};
use meoww_proto::UserId;

use super::{client::Client, error::Refusal};
use crate::{
    app::App,
    clock,
    config::Limits,
    core::{
        account::{Email, Mailbox},
        limits::{Network, Quota, Standing, WindowLimiter},
    },
};

/// What every answer of a limited route carries, as express-rate-limit's `standardHeaders` does.
pub(crate) const HEADERS: [HeaderName; 4] = [
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("ratelimit-limit"),
    HeaderName::from_static("ratelimit-remaining"),
    HeaderName::from_static("ratelimit-reset"),
];

/// One gate a limit.
pub(crate) struct Gates {
    pub(crate) signup: Gate<Network>,
    pub(crate) login: Gate<Network>,
    pub(crate) resend: Gate<Network>,
    pub(crate) turn: Gate<Network>,
    pub(crate) verify: Gate<Network>,
    pub(crate) connect: Gate<Network>,
    /// Failed passwords, by the address they were tried on: there need be no such account.
    pub(crate) account_login: Gate<Email>,
    /// Codes mailed, by who asked for them.
    account_code: Gate<UserId>,
    /// Codes mailed, by where they went.
    mailbox_code: Gate<Mailbox>,
}

impl Gates {
    pub(crate) fn new(limits: &Limits) -> Self {
        const ATTEMPTS: &str = "Too many attempts, please try again in 15 minutes.";
        const CODES: &str = "Too many OTP requests, please wait before requesting again.";
        let gates = Self {
            signup: Gate::new("Too many signup attempts, please try again later."),
            login: Gate::new(ATTEMPTS),
            resend: Gate::new(CODES),
            turn: Gate::new("Too many TURN credential requests."),
            verify: Gate::new(ATTEMPTS),
            connect: Gate::new("Too many connections, please try again later."),
            account_login: Gate::new(ATTEMPTS),
            account_code: Gate::new(CODES),
            mailbox_code: Gate::new(CODES),
        };
        gates.adopt(limits);
        gates
    }

    /// Takes up other limits. Where one stays as it was, who was counted is still counted.
    pub(crate) fn adopt(&self, limits: &Limits) {
        self.signup.adopt(limits.signup);
        self.login.adopt(limits.login);
        self.resend.adopt(limits.resend);
        self.turn.adopt(limits.turn);
        self.verify.adopt(limits.verify);
        self.connect.adopt(limits.connect);
        self.account_login.adopt(limits.account_login);
        self.account_code.adopt(limits.account_code);
        self.mailbox_code.adopt(limits.account_code);
    }

    /// Counts a code about to be mailed, so that nobody's mailbox is flooded from many addresses
    /// and no account floods many mailboxes.
    pub(crate) fn admit_code(
        &self,
        user: Option<UserId>,
        to: &Email,
    ) -> Result<Option<Standing>, Refusal> {
        if let Some(user) = user {
            self.account_code.admit(user)?;
        }
        self.mailbox_code.admit(to.mailbox())
    }

    /// Takes back a code that was not mailed after all.
    pub(crate) fn forgive_code(&self, to: &Email, counted: Option<Standing>) {
        self.mailbox_code.forgive(&to.mailbox(), counted);
    }
}

/// Lets so many of a key through; without a quota, all of them.
pub(crate) struct Gate<K> {
    /// Counting takes nanoseconds, too little to queue for: hence a lock and no task.
    limiter: Mutex<Option<WindowLimiter<K>>>,
    refusal: &'static str,
}

impl<K: Clone + Eq + Hash> Gate<K> {
    fn new(refusal: &'static str) -> Self {
        Self { limiter: Mutex::new(None), refusal }
    }

    fn adopt(&self, quota: Option<Quota>) {
        let mut limiter = self.limiter();
        if limiter.as_ref().map(WindowLimiter::quota) != quota {
            *limiter = quota.map(WindowLimiter::new);
        }
    }

    fn limiter(&self) -> MutexGuard<'_, Option<WindowLimiter<K>>> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one of `key`.
    pub(crate) fn admit(&self, key: K) -> Result<Option<Standing>, Refusal> {
        let now = clock::instant();
        match self.count(key) {
            Some(Err(standing)) => Err(Refusal::TooMany(self.refusal, standing.reset(now))),
            Some(Ok(standing)) => Ok(Some(standing)),
            None => Ok(None),
        }
    }

    /// Takes back what turned out not to count.
    pub(crate) fn forgive(&self, key: &K, counted: Option<Standing>) -> Option<Standing> {
        Some(self.limiter().as_mut()?.forgive(key, counted?))
    }

    fn count(&self, key: K) -> Option<Result<Standing, Standing>> {
        Some(self.limiter().as_mut()?.admit(key, clock::instant()))
    }
}

/// A limit by client address as a layer of a route.
#[derive(Clone)]
pub(crate) struct Limit {
    app: Arc<App>,
    gate: fn(&Gates) -> &Gate<Network>,
    counts: fn(StatusCode) -> bool,
}

impl Limit {
    /// Counts every request.
    pub(crate) fn all(app: &Arc<App>, gate: fn(&Gates) -> &Gate<Network>) -> Self {
        Self { app: app.clone(), gate, counts: |_| true }
    }

    /// Counts what failed by the client's fault. A right password that does not suffice (403) is
    /// no guess.
    pub(crate) fn failures(app: &Arc<App>, gate: fn(&Gates) -> &Gate<Network>) -> Self {
        let counts =
            |status: StatusCode| status.is_client_error() && status != StatusCode::FORBIDDEN;
        Self { app: app.clone(), gate, counts }
    }
}

impl FromRef<Limit> for Arc<App> {
    fn from_ref(limit: &Limit) -> Self {
        limit.app.clone()
    }
}

/// The layer: counts, answers or refuses, and says where the client stands.
pub(crate) async fn enforce(
    State(limit): State<Limit>,
    Client(client): Client,
    request: Request,
    next: Next,
) -> Response {
    let (gate, network) = ((limit.gate)(&limit.app.gates), Network::of(client));
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
