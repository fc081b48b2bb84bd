//! Mails that wait to be handed to the mail server. They hold no code: it is derived again at each try
//! (see [`super::otp`]).

use std::time::Duration;

use meoww_proto::UserId;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{
    account::Email,
    otp::{self, Subject},
};

/// Wait after the first try; it doubles with each one.
const FIRST_WAIT: Duration = Duration::from_secs(15);
/// Longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(240);

/// How long the notice of a changed address is tried: there is no code that ends before.
const NOTICE_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The account or address that a mail is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailSubject {
    /// Confirms the address an account was signed up with.
    SignUp(UserId),
    /// Resets the password of the account with this address.
    Reset(Email),
    /// Confirms the address an account is to have.
    ChangeEmail(UserId),
    /// Tells the old address of an account that it has another one. It needs no account: also one
    /// that was deleted right after the change may have been taken over.
    EmailChanged {
        /// The account.
        user: UserId,
        /// The address the mail goes to.
        old: Email,
        /// The address the account has.
        new: Email,
    },
}

impl MailSubject {
    /// The purpose of the mail, for the log.
    pub fn purpose(&self) -> &'static str {
        match self {
            Self::SignUp(_) => "sign-up",
            Self::Reset(_) => "reset",
            Self::ChangeEmail(_) => "change-email",
            Self::EmailChanged { .. } => "email-changed",
        }
    }

    /// The subject its code is derived for; `None` if it carries none.
    pub fn of_code(&self) -> Option<Subject<'_>> {
        match self {
            Self::SignUp(user) => Some(Subject::SignUp(*user)),
            Self::Reset(email) => Some(Subject::Reset(email)),
            Self::ChangeEmail(user) => Some(Subject::ChangeEmail(*user)),
            Self::EmailChanged { .. } => None,
        }
    }

    /// The key it is stored under; no purpose is a prefix of another.
    pub fn key(&self) -> Vec<u8> {
        let subject = match self {
            Self::SignUp(user) | Self::ChangeEmail(user) => user.as_bytes().to_vec(),
            Self::Reset(email) => email.as_str().into(),
            Self::EmailChanged { user, old, .. } => {
                [user.as_bytes(), old.as_str().as_bytes()].concat()
            }
        };
        [self.purpose().as_bytes(), b":", &subject].concat()
    }

    /// The account without which the mail makes no sense.
    pub fn owner(&self) -> Option<UserId> {
        match self {
            Self::SignUp(user) | Self::ChangeEmail(user) => Some(*user),
            Self::Reset(_) | Self::EmailChanged { .. } => None,
        }
    }
}

/// A mail that waits. A later one about the same subject replaces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedMail {
    /// The account or address it is about.
    pub subject: MailSubject,
    /// The end of its use, which is that of its code, and tells it from an earlier mail about the
    /// same subject.
    #[serde(rename = "code_expires_at", with = "time::serde::timestamp::milliseconds")]
    expires_at: OffsetDateTime,
}

impl QueuedMail {
    /// A mail that is of use until `expires_at`, in whole milliseconds as on disk.
    pub fn new(subject: MailSubject, expires_at: OffsetDateTime) -> Self {
        Self { subject, expires_at: expires_at.truncate_to_millisecond() }
    }

    /// A notice of a changed address.
    pub fn notice(user: UserId, old: Email, new: Email, now: OffsetDateTime) -> Self {
        Self::new(MailSubject::EmailChanged { user, old, new }, now + NOTICE_LIFETIME)
    }

    /// Whether it is of no more use.
    pub fn is_expired(&self, now: OffsetDateTime) -> bool {
        now >= self.expires_at
    }

    /// Whether it expired so long ago that no delivery looks after it.
    pub fn is_abandoned(&self, now: OffsetDateTime) -> bool {
        now >= self.expires_at + otp::LIFETIME
    }
}

/// Returns how long to wait after so many tries: 15 s, 30 s, and so on to 4 min (truncated binary
/// exponential back-off). A code's ten minutes have room for six tries, a notice's day for 363.
pub fn wait_after(tries: u32) -> Duration {
    FIRST_WAIT.saturating_mul(2u32.saturating_pow(tries.saturating_sub(1))).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_four_minutes() {
        let waits = [1, 2, 3, 4, 5, 6, 100].map(|tries| wait_after(tries).as_secs());
        assert_eq!(waits, [15, 30, 60, 120, 240, 240, 240]);
    }

    #[test]
    fn each_subject_has_a_key_of_its_own() {
        let user = UserId::from_bytes([1; 12]);
        let email = Email::parse("ada@example.com").expect("an address");
        let moved = |old: &str| MailSubject::EmailChanged {
            user,
            old: Email::parse(old).expect("an address"),
            new: email.clone(),
        };
        let subjects = [
            moved("ada@example.net"),
            moved("ada@example.org"),
            MailSubject::SignUp(user),
            MailSubject::Reset(email.clone()),
            MailSubject::ChangeEmail(user),
        ];
        let keys: std::collections::HashSet<_> = subjects.iter().map(MailSubject::key).collect();
        assert_eq!(keys.len(), subjects.len());
    }
}
