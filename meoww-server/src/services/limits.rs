//! Rate limits, with the words of the Node.js backend. Those by client address are layers of their
//! routes (`http/rate_limiter.rs`), those by account are asked where the account is known.
//!
//! Servers on one database count together what is rare or matters most: passwords, codes, sign-ups,
//! photos, credentials of the relay. Connections and refreshes each counts for itself: those limits
//! bound work, and to count them together would make work at the database (docs/scaling.md).

mod limiter;

use meoww_proto::UserId;

pub(crate) use self::limiter::{Counted, RateLimiter, SharedCounts};
use super::Refusal;
use crate::{
    config::Limits,
    core::{
        account::{Email, Mailbox},
        device::{DeviceId, Guesser},
        limits::{Caller, Quota},
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
    pub(super) reset_code: RateLimiter<(Mailbox, Option<DeviceId>)>,
    /// Wrong codes for forgotten passwords, by address and where they came from.
    pub(super) reset_tries: RateLimiter<(Email, Guesser)>,
}

/// A password that was counted before it was looked at.
pub(crate) struct CountedPassword {
    here: Option<Counted<(Email, Guesser)>>,
    total: Option<Counted<Email>>,
}

/// A code that was counted before its mail was queued.
pub(crate) struct CountedCode {
    asker: Option<Counted<UserId>>,
    mailbox: Option<Counted<Mailbox>>,
}

impl RateLimiters {
    pub(crate) fn new(limits: &Limits, shared: Option<SharedCounts>) -> Self {
        const ATTEMPTS: &str = "Too many attempts, please try again in 15 minutes.";
        const CODES: &str = "Too many OTP requests, please wait before requesting again.";
        const REFRESHES: &str = "Too many refreshes, please try again later.";
        const SIGNUPS: &str = "Too many signup attempts, please try again later.";
        const PHOTOS: &str = "Too many photos, please try again later.";
        const CONNECTIONS: &str = "Too many connections, please try again later.";
        let shared = shared.as_ref();
        let rate_limiters = Self {
            signup: RateLimiter::new("signup", SIGNUPS, shared),
            login: RateLimiter::new("login", ATTEMPTS, shared),
            resend: RateLimiter::new("resend", CODES, shared),
            turn: RateLimiter::new("turn", "Too many TURN credential requests.", shared),
            verify: RateLimiter::new("verify", ATTEMPTS, shared),
            photo: RateLimiter::new("photo", PHOTOS, shared),
            connect: RateLimiter::new("connect", CONNECTIONS, None),
            refresh: RateLimiter::new("refresh", REFRESHES, None),
            session_refresh: RateLimiter::new("session_refresh", REFRESHES, None),
            account_login: RateLimiter::new("account_login", ATTEMPTS, shared),
            account_login_total: RateLimiter::new("account_login_total", ATTEMPTS, shared),
            account_code: RateLimiter::new("account_code", CODES, shared),
            mailbox_code: RateLimiter::new("mailbox_code", CODES, shared),
            reset_code: RateLimiter::new("reset_code", CODES, shared),
            reset_tries: RateLimiter::new("reset_tries", ATTEMPTS, shared),
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
    pub(crate) async fn admit_password(
        &self,
        tried_on: &Email,
        guesser: Guesser,
    ) -> Result<CountedPassword, Refusal> {
        let here = self.account_login.admit((tried_on.clone(), guesser)).await?;
        let total = match guesser {
            Guesser::Network(_) => self.account_login_total.admit(tried_on.clone()).await,
            Guesser::Device(_) | Guesser::Session(_) => Ok(None),
        };
        match total {
            Ok(total) => Ok(CountedPassword { here, total }),
            Err(refusal) => {
                self.account_login.forgive(here).await;
                Err(refusal)
            }
        }
    }

    /// Takes back a password that was not wrong.
    pub(crate) async fn forgive_password(&self, counted: CountedPassword) {
        self.account_login.forgive(counted.here).await;
        self.account_login_total.forgive(counted.total).await;
    }

    /// Counts a code about to be mailed for a forgotten password.
    pub(crate) async fn admit_reset_code(
        &self,
        to: &Email,
        asker: Guesser,
    ) -> Result<Option<Counted<(Mailbox, Option<DeviceId>)>>, Refusal> {
        let device = match asker {
            Guesser::Device(device) => Some(device),
            Guesser::Network(_) | Guesser::Session(_) => None,
        };
        self.reset_code.admit((to.mailbox(), device)).await
    }

    /// Counts a code about to be mailed, so that nobody's mailbox is flooded from many addresses
    /// and no account floods many mailboxes.
    pub(crate) async fn admit_code(
        &self,
        user: Option<UserId>,
        to: &Email,
    ) -> Result<CountedCode, Refusal> {
        let asker = match user {
            Some(user) => self.account_code.admit(user).await?,
            None => None,
        };
        match self.mailbox_code.admit(to.mailbox()).await {
            Ok(mailbox) => Ok(CountedCode { asker, mailbox }),
            Err(refusal) => {
                self.account_code.forgive(asker).await;
                Err(refusal)
            }
        }
    }

    /// Takes back a code whose mail was not queued after all.
    pub(crate) async fn forgive_code(&self, counted: CountedCode) {
        self.account_code.forgive(counted.asker).await;
        self.mailbox_code.forgive(counted.mailbox).await;
    }

    /// Takes back a code that was refused for the address it was to go to. It still counts for who
    /// asked, as it told them that the address has an account.
    pub(crate) async fn forgive_mailbox(&self, counted: CountedCode) {
        self.mailbox_code.forgive(counted.mailbox).await;
    }
}
