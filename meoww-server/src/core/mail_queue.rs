//! Mails with codes that wait to be handed to the mail server. They hold no code: it is derived again
//! at each try (see [`super::otp`]).

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

/// The account or address that a code proves something about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailSubject {
    /// Confirms the address an account was signed up with.
    SignUp(UserId),
    /// Resets the password of the account with this address.
    Reset(Email),
    /// Confirms the address an account is to have.
    ChangeEmail(UserId),
}

impl MailSubject {
    /// The purpose of the mail, for the log.
    pub fn purpose(&self) -> &'static str {
        match self {
            Self::SignUp(_) => "sign-up",
            Self::Reset(_) => "reset",
            Self::ChangeEmail(_) => "change-email",
        }
    }

    /// The subject its code is derived for.
    pub fn of_code(&self) -> Subject<'_> {
        match self {
            Self::SignUp(user) => Subject::SignUp(*user),
            Self::Reset(email) => Subject::Reset(email),
            Self::ChangeEmail(user) => Subject::ChangeEmail(*user),
        }
    }

    /// The key it is stored under; no purpose is a prefix of another.
    pub fn key(&self) -> Vec<u8> {
        let subject = match self {
            Self::SignUp(user) | Self::ChangeEmail(user) => user.as_bytes().as_slice(),
            Self::Reset(email) => email.as_str().as_bytes(),
        };
        [self.purpose().as_bytes(), b":", subject].concat()
    }

    /// The account without which the mail makes no sense.
    pub fn owner(&self) -> Option<UserId> {
        match self {
            Self::SignUp(user) | Self::ChangeEmail(user) => Some(*user),
            Self::Reset(_) => None,
        }
    }
}

/// A mail that waits. A later one about the same subject replaces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedMail {
    /// The account or address its code is for.
    pub subject: MailSubject,
    /// The end of its code, which tells it from an earlier mail about the same subject.
    #[serde(with = "time::serde::timestamp::milliseconds")]
    code_expires_at: OffsetDateTime,
}

impl QueuedMail {
    /// A mail with a code that is good until `code_expires_at`, in whole milliseconds as on disk.
    pub fn new(subject: MailSubject, code_expires_at: OffsetDateTime) -> Self {
        let code_expires_at = code_expires_at.truncate_to_millisecond();
        Self { subject, code_expires_at }
    }

    /// Whether its code ended so long ago that no delivery looks after it.
    pub fn is_abandoned(&self, now: OffsetDateTime) -> bool {
        now >= self.code_expires_at + otp::LIFETIME
    }
}

/// Returns how long to wait after so many tries: 15 s, 30 s, and so on to 4 min (truncated binary
/// exponential back-off). A code's ten minutes have room for six tries.
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
        let subjects =
            [MailSubject::SignUp(user), MailSubject::Reset(email), MailSubject::ChangeEmail(user)];
        let keys: std::collections::HashSet<_> = subjects.iter().map(MailSubject::key).collect();
        assert_eq!(keys.len(), 3);
    }
}
