//! Rate limits by client address, with the words of the Node.js backend.

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use super::error::Refusal;
use crate::{
    clock,
    config::Limits,
    core::limits::{Quota, WindowLimiter},
};

/// One gate a limit.
pub(crate) struct Gates {
    pub(crate) signup: Gate,
    pub(crate) login: Gate,
    pub(crate) resend: Gate,
    pub(crate) turn: Gate,
    pub(crate) verify: Gate,
}

impl Gates {
    pub(crate) fn new(limits: &Limits) -> Self {
        const ATTEMPTS: &str = "Too many attempts, please try again in 15 minutes.";
        Self {
            signup: Gate::new(limits.signup, "Too many signup attempts, please try again later."),
            login: Gate::new(limits.login, ATTEMPTS),
            resend: Gate::new(
                limits.resend,
                "Too many OTP requests, please wait before requesting again.",
            ),
            turn: Gate::new(limits.turn, "Too many TURN credential requests."),
            verify: Gate::new(limits.verify, ATTEMPTS),
        }
    }
}

/// Lets so many requests of a client through; without a quota, all of them.
pub(crate) struct Gate {
    /// A request is counted in nanoseconds, too little to queue for: hence a lock and no task.
    limiter: Option<Mutex<WindowLimiter>>,
    refusal: &'static str,
}

impl Gate {
    fn new(quota: Option<Quota>, refusal: &'static str) -> Self {
        Self { limiter: quota.map(|quota| Mutex::new(WindowLimiter::new(quota))), refusal }
    }

    /// Counts a request from `client`.
    pub(crate) fn admit(&self, client: SocketAddr) -> Result<(), Refusal> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        let mut limiter = limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter
            .admit(client.ip(), clock::instant())
            .map_err(|wait| Refusal::TooMany(self.refusal, wait))
    }
}
