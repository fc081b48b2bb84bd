//! One-time codes on disk.

use meoww_proto::UserId;
use time::OffsetDateTime;

use super::{
    NewSession, Store, StoreError,
    tables::{Table, Tables},
};
use crate::core::{
    account::{Account, Ban},
    mail_queue::{MailSubject, QueuedMail},
    otp::{Challenge, Presenter, Seal, Verdict},
};

/// What became of a code a user sent.
pub enum Confirmation {
    /// The account is verified and the session open.
    Confirmed(Account),
    /// The code is right, and the account shut out.
    Banned(Ban),
    /// The code was looked at and not accepted.
    Refused(Verdict),
    /// No code waits for this user.
    NoChallenge,
}

/// What became of a request for a new code.
pub enum Reissue {
    /// A code waits, and this is its mail: the code that waited before, as long as it had tries left.
    Queued(QueuedMail),
    /// There is no such account.
    NoAccount,
    /// The account needs no code.
    AlreadyVerified,
}

impl Store {
    /// Judges a code and counts the try; the right one verifies the account and opens `session`.
    pub async fn consume_otp(
        &self,
        user: UserId,
        candidate: Seal,
        session: NewSession,
        now: OffsetDateTime,
    ) -> Result<Confirmation, StoreError> {
        self.write(move |tables| tables.consume_otp(user, &candidate, &session, now)).await
    }

    /// Renews the code that waits; lets `fresh` wait in its place where it is of no use any more.
    pub async fn reissue_otp(
        &self,
        user: UserId,
        fresh: Challenge,
        now: OffsetDateTime,
    ) -> Result<Reissue, StoreError> {
        self.write(move |tables| tables.reissue_otp(user, &fresh, now)).await
    }
}

impl Tables {
    fn consume_otp(
        &self,
        user: UserId,
        candidate: &Seal,
        session: &NewSession,
        now: OffsetDateTime,
    ) -> Result<Confirmation, StoreError> {
        let id = user.as_bytes();
        self.transaction(|tx| {
            let Some(mut challenge) = tx.get::<Challenge>(Table::Challenges, id)? else {
                return Ok(Confirmation::NoChallenge);
            };
            let Some(mut account) = tx.account(user)? else {
                return Ok(Confirmation::NoChallenge);
            };
            match challenge.attempt(candidate, Presenter::Owner, now) {
                // Until then the code goes on waiting.
                Verdict::Accepted if let Some(ban) = account.ban_in_force(now) => {
                    Ok(Confirmation::Banned(ban.clone()))
                }
                Verdict::Accepted => {
                    account.is_verified = true;
                    tx.put(Table::Accounts, id, &account)?;
                    tx.remove(Table::Challenges, id)?;
                    tx.open_session(session)?;
                    Ok(Confirmation::Confirmed(account))
                }
                Verdict::Wrong => {
                    tx.put(Table::Challenges, id, &challenge)?;
                    Ok(Confirmation::Refused(Verdict::Wrong))
                }
                refusal @ (Verdict::Exhausted | Verdict::Expired) => {
                    Ok(Confirmation::Refused(refusal))
                }
            }
        })
    }

    fn reissue_otp(
        &self,
        user: UserId,
        fresh: &Challenge,
        now: OffsetDateTime,
    ) -> Result<Reissue, StoreError> {
        self.transaction(|tx| match tx.account(user)? {
            None => Ok(Reissue::NoAccount),
            Some(account) if account.is_verified => Ok(Reissue::AlreadyVerified),
            Some(_) => {
                let waiting = tx.get::<Challenge>(Table::Challenges, user.as_bytes())?;
                let renewed = waiting.and_then(|code| code.renewed(Presenter::Owner, now));
                let challenge = renewed.unwrap_or_else(|| fresh.clone());
                tx.put(Table::Challenges, user.as_bytes(), &challenge)?;
                tx.queue_mail(MailSubject::SignUp(user), &challenge).map(Reissue::Queued)
            }
        })
    }
}
