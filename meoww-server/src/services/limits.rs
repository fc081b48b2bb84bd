//! Rate limits, with the words of the Node.js backend. Those by client address are layers of their
//! routes (`http/rate_limiter.rs`), those by account are asked where the account is known.

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
        device::{DeviceId, Guesser},
        limits::{Caller, Quota, RateLimitStatus, WindowLimiter},
        otp,
        session::SessionId,
    },
};

/// One gate a limit.
pub(crate) struct RateLimiters {
    pub(crate) signup: RateLimiter<Caller>,
    pub(crate) login: RateLimiter<Caller>,
    pub(crate) resend: RateLimiter<Caller>,
    pub(crate) turn: RateLimiter<Caller>,
    pub(crate) verify: RateLimiter<Caller>,
    pub(crate) connect: RateLimiter<Caller>,
    pub(crate) photo: RateLimiter<Caller>,
    /// Sessions refreshed and ended by their refresh tokens.
    pub(crate) refresh: RateLimiter<Caller>,
    /// Refreshes, each of which may be a write, by session.
    pub(super) session_refresh: RateLimiter<SessionId>,
    /// Failed passwords, by the address they were tried on (there need be no such account) and where
    /// they came from.
    account_login: RateLimiter<(Email, Guesser)>,
    /// Those of all networks together: devices of the account are not locked out by them.
    account_login_total: RateLimiter<Email>,
    /// Codes mailed, by who asked for them.
    account_code: RateLimiter<UserId>,
    /// Codes mailed, by where they went.
    mailbox_code: RateLimiter<Mailbox>,
    /// Codes mailed for forgotten passwords, by where they went and the known device that asked, if
    /// one did: strangers use up nothing of the owner's, nor of a sign-up's.
    reset_code: RateLimiter<(Mailbox, Option<DeviceId>)>,
    /// Wrong codes for forgotten passwords, by address and where they came from.
    pub(super) reset_tries: RateLimiter<(Email, Guesser)>,
}

/// A password that was counted before it was looked at.
pub(crate) struct CountedPassword {
    here: Option<RateLimitStatus>,
    total: Option<RateLimitStatus>,
}

impl RateLimiters {
    pub(crate) fn new(limits: &Limits) -> Self {
        const ATTEMPTS: &str = "Too many attempts, please try again in 15 minutes.";
        const CODES: &str = "Too many OTP requests, please wait before requesting again.";
        const REFRESHES: &str = "Too many refreshes, please try again later.";
        let rate_limiters = Self {
            signup: RateLimiter::new("Too many signup attempts, please try again later."),
            login: RateLimiter::new(ATTEMPTS),
            resend: RateLimiter::new(CODES),
            turn: RateLimiter::new("Too many TURN credential requests."),
            verify: RateLimiter::new(ATTEMPTS),
            photo: RateLimiter::new("Too many photos, please try again later."),
            connect: RateLimiter::new("Too many connections, please try again later."),
            refresh: RateLimiter::new(REFRESHES),
            session_refresh: RateLimiter::new(REFRESHES),
            account_login: RateLimiter::new(ATTEMPTS),
            account_login_total: RateLimiter::new(ATTEMPTS),
            account_code: RateLimiter::new(CODES),
            mailbox_code: RateLimiter::new(CODES),
            reset_code: RateLimiter::new(CODES),
            reset_tries: RateLimiter::new(ATTEMPTS),
        };
        let window = otp::LIFETIME.unsigned_abs();
        rate_limiters.reset_tries.adopt(Some(Quota { requests: otp::MAX_TRIES.into(), window }));
        rate_limiters.adopt(limits);
        rate_limiters
    }

    /// Takes up other limits. Where one stays as it was, who was counted is still counted.
    pub(crate) fn adopt(&self, limits: &Limits) {
        self.signup.adopt(limits.signup);
        self.login.adopt(limits.login);
        self.resend.adopt(limits.resend);
        self.turn.adopt(limits.turn);
        self.verify.adopt(limits.verify);
        self.photo.adopt(limits.photo);
        self.refresh.adopt(limits.refresh);
        self.session_refresh.adopt(limits.session_refresh);
        self.connect.adopt(limits.connect);
        self.account_login.adopt(limits.account_login);
        self.account_login_total.adopt(limits.account_login_total);
        self.account_code.adopt(limits.account_code);
        self.mailbox_code.adopt(limits.account_code);
        self.reset_code.adopt(limits.account_code);
    }

    /// Counts a password about to be looked at.
    pub(crate) fn admit_password(
        &self,
        tried_on: &Email,
        guesser: Guesser,
    ) -> Result<CountedPassword, Refusal> {
        let here = self.account_login.admit((tried_on.clone(), guesser))?;
        let total = match guesser {
            Guesser::Network(_) => self.account_login_total.admit(tried_on.clone()),
            Guesser::Device(_) | Guesser::Session(_) => Ok(None),
        };
        match total {
            Ok(total) => Ok(CountedPassword { here, total }),
            Err(refusal) => {
                self.account_login.forgive(&(tried_on.clone(), guesser), here);
                Err(refusal)
            }
        }
    }

    /// Takes back a password that was not wrong.
    pub(crate) fn forgive_password(
        &self,
        tried_on: &Email,
        guesser: Guesser,
        CountedPassword { here, total }: CountedPassword,
    ) {
        self.account_login.forgive(&(tried_on.clone(), guesser), here);
        self.account_login_total.forgive(tried_on, total);
    }

    /// Counts a code about to be mailed for a forgotten password.
    pub(crate) fn admit_reset_code(&self, to: &Email, asker: Guesser) -> Result<(), Refusal> {
        let device = match asker {
            Guesser::Device(device) => Some(device),
            Guesser::Network(_) | Guesser::Session(_) => None,
        };
        self.reset_code.admit((to.mailbox(), device)).map(|_| ())
    }

    /// Counts a code about to be mailed, so that nobody's mailbox is flooded from many addresses
    /// and no account floods many mailboxes.
    pub(crate) fn admit_code(
        &self,
        user: Option<UserId>,
        to: &Email,
    ) -> Result<Option<RateLimitStatus>, Refusal> {
        if let Some(user) = user {
            self.account_code.admit(user)?;
        }
        self.mailbox_code.admit(to.mailbox())
    }

    /// Takes back a code that was not mailed after all.
    pub(crate) fn forgive_code(&self, to: &Email, counted: Option<RateLimitStatus>) {
        self.mailbox_code.forgive(&to.mailbox(), counted);
    }
}

/// Lets so many of a key through; without a quota, all of them.
pub(crate) struct RateLimiter<K> {
    /// Counting takes nanoseconds, too little to queue for: hence a lock and no task.
    limiter: Mutex<Option<WindowLimiter<K>>>,
    pub(crate) refusal: &'static str,
}

impl<K: Clone + Eq + Hash> RateLimiter<K> {
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
    pub(crate) fn admit(&self, key: K) -> Result<Option<RateLimitStatus>, Refusal> {
        let now = clock::instant();
        match self.count(key) {
            Some(Err(status)) => Err(Refusal::TooMany(self.refusal, status.reset(now))),
            Some(Ok(status)) => Ok(Some(status)),
            None => Ok(None),
        }
    }

    /// Takes back what turned out not to count.
    pub(crate) fn forgive(
        &self,
        key: &K,
        counted: Option<RateLimitStatus>,
    ) -> Option<RateLimitStatus> {
        Some(self.limiter().as_mut()?.forgive(key, counted?))
    }

    pub(crate) fn count(&self, key: K) -> Option<Result<RateLimitStatus, RateLimitStatus>> {
        Some(self.limiter().as_mut()?.admit(key, clock::instant()))
    }
}
