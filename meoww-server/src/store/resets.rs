//! Forgotten passwords on disk. A code waits under the address it was asked for, whether or not
//! there is such an account, so that judging it is the same work either way.

use meoww_proto::UserId;
use sled::{Transactional, transaction::ConflictableTransactionError};
use time::OffsetDateTime;

use super::{
    Store, StoreError,
    records::encode,
    session_trees::SessionTrees,
    trees::{Trees, get, user_id},
};
use crate::core::{
    account::{Account, Email},
    otp::{Challenge, Seal, Verdict},
};

impl Store {
    /// Lets a code wait for this address in place of any before it. The account is whom to mail
    /// it to: one that is verified, as an unverified address is nobody's yet.
    pub async fn begin_reset(
        &self,
        email: Email,
        challenge: Challenge,
    ) -> Result<Option<Account>, StoreError> {
        self.write(move |trees| trees.begin_reset(&email, &challenge)).await
    }

    /// Judges a code and counts the try; the right one sets the password and ends every session of
    /// the account that is returned.
    pub async fn reset_password(
        &self,
        email: Email,
        candidate: Seal,
        password_hash: String,
        now: OffsetDateTime,
    ) -> Result<Option<UserId>, StoreError> {
        self.write(move |trees| trees.reset_password(&email, &candidate, &password_hash, now)).await
    }
}

impl Trees {
    fn begin_reset(
        &self,
        email: &Email,
        challenge: &Challenge,
    ) -> Result<Option<Account>, StoreError> {
        self.resets.insert(email.as_str(), encode(challenge))?;
        Ok(self.account_by_email(email)?.filter(|account| account.is_verified))
    }

    fn reset_password(
        &self,
        email: &Email,
        candidate: &Seal,
        password_hash: &str,
        now: OffsetDateTime,
    ) -> Result<Option<UserId>, StoreError> {
        let key = email.as_str();
        let trees = (
            &self.accounts,
            &self.emails,
            &self.resets,
            &self.sessions,
            &self.user_sessions,
            &self.tokens,
        );
        let reset =
            trees.transaction(|(accounts, emails, resets, sessions, by_user, tokens)| {
                let Some(mut challenge) = get::<Challenge>(resets, key.as_bytes())? else {
                    return Ok(None);
                };
                match challenge.attempt(candidate, now) {
                    Verdict::Accepted => resets.remove(key)?,
                    Verdict::Wrong => {
                        resets.insert(key, encode(&challenge))?;
                        return Ok(None);
                    }
                    Verdict::Exhausted | Verdict::Expired => return Ok(None),
                };
                let Some(holder) = emails.get(key)? else { return Ok(None) };
                let user = user_id(&holder).map_err(ConflictableTransactionError::Abort)?;
                match get::<Account>(accounts, user.as_bytes())? {
                    Some(account) if account.is_verified => {
                        let password_hash = password_hash.to_owned();
                        let account = Account { password_hash, ..account };
                        accounts.insert(user.as_bytes(), encode(&account))?;
                        SessionTrees { sessions, by_user, tokens }.end_all(user, None)?;
                        Ok(Some(user))
                    }
                    Some(_) | None => Ok(None),
                }
            })?;
        Ok(reset)
    }
}
