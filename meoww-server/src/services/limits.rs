//! Rate limits, with the words of the Node.js backend. Those by client address are layers of their
//! routes (`http/gate.rs`), those by account are asked where the account is known.

use std::{
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use meoww_proto::UserId;

use super::Refusal;
use crate::{
    clock,
    config::Limits,
    core::{
        account::{Email, Mailbox},
        limits::{Network, Quota, Standing, WindowLimiter},
    },
};

/// One gate a limit.
pub(crate) struct Gates {
    pub(crate) signup: Gate<Network>,
    pub(crate) login: Gate<Network>,
    pub(crate) resend: Gate<Network>,
    pub(crate) turn: Gate<Network>,
    pub(crate) verify: Gate<Network>,
    pub(crate) connect: Gate<Network>,
    pub(crate) photo: Gate<Network>,
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
            photo: Gate::new("Too many photos, please try again later."),
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
        self.photo.adopt(limits.photo);
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
    pub(crate) refusal: &'static str,
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

    pub(crate) fn count(&self, key: K) -> Option<Result<Standing, Standing>> {
        Some(self.limiter().as_mut()?.admit(key, clock::instant()))
    }
}
