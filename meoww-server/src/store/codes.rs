//! One-time codes on disk.

use meoww_proto::UserId;
use time::OffsetDateTime;

use super::{
    NewSession, Store, StoreError,
    trees::{Table, Trees},
};
use crate::core::{
    account::{Account, Ban},
    otp::{Challenge, Seal, Verdict},
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
    /// The old code is void and the new one waits.
    Replaced(Account),
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
        self.write(move |trees| trees.consume_otp(user, &candidate, &session, now)).await
    }

    /// Voids the code that waits and lets `challenge` wait in its place.
    pub async fn replace_otp(
        &self,
        user: UserId,
        challenge: Challenge,
    ) -> Result<Reissue, StoreError> {
        self.write(move |trees| trees.replace_otp(user, &challenge)).await
    }
}

impl Trees {
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
            match challenge.attempt(candidate, now) {
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

    fn replace_otp(&self, user: UserId, challenge: &Challenge) -> Result<Reissue, StoreError> {
        self.transaction(|tx| match tx.account(user)? {
            None => Ok(Reissue::NoAccount),
            Some(account) if account.is_verified => Ok(Reissue::AlreadyVerified),
            Some(account) => {
                tx.put(Table::Challenges, user.as_bytes(), challenge)?;
                Ok(Reissue::Replaced(account))
            }
        })
    }
}
