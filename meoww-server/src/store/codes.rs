//! One-time codes on disk.

use meoww_proto::UserId;
use sled::Transactional;
use time::OffsetDateTime;

use super::{
    NewSession, Store, StoreError,
    records::encode,
    session_trees::SessionTrees,
    trees::{Trees, get},
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
        let trees =
            (&self.accounts, &self.challenges, &self.sessions, &self.user_sessions, &self.tokens);
        let confirmation =
            trees.transaction(|(accounts, challenges, sessions, by_user, tokens)| {
                let Some(mut challenge) = get::<Challenge>(challenges, id)? else {
                    return Ok(Confirmation::NoChallenge);
                };
                let Some(mut account) = get::<Account>(accounts, id)? else {
                    return Ok(Confirmation::NoChallenge);
                };
                match challenge.attempt(candidate, now) {
                    // Until then the code goes on waiting.
                    Verdict::Accepted if let Some(ban) = account.ban_in_force(now) => {
                        Ok(Confirmation::Banned(ban.clone()))
                    }
                    Verdict::Accepted => {
                        account.is_verified = true;
                        accounts.insert(id, encode(&account))?;
                        challenges.remove(id)?;
                        SessionTrees { sessions, by_user, tokens }.open(session)?;
                        Ok(Confirmation::Confirmed(account))
                    }
                    Verdict::Wrong => {
                        challenges.insert(id, encode(&challenge))?;
                        Ok(Confirmation::Refused(Verdict::Wrong))
                    }
                    refusal @ (Verdict::Exhausted | Verdict::Expired) => {
                        Ok(Confirmation::Refused(refusal))
                    }
                }
            })?;
        Ok(confirmation)
    }

    fn replace_otp(&self, user: UserId, challenge: &Challenge) -> Result<Reissue, StoreError> {
        let id = user.as_bytes();
        let reissue = (&self.accounts, &self.challenges).transaction(
            |(accounts, challenges)| match get::<Account>(accounts, id)? {
                None => Ok(Reissue::NoAccount),
                Some(account) if account.is_verified => Ok(Reissue::AlreadyVerified),
                Some(account) => {
                    challenges.insert(id, encode(challenge))?;
                    Ok(Reissue::Replaced(account))
                }
            },
        )?;
        Ok(reissue)
    }
}
