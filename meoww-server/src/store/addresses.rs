//! Changes of address on disk: what waits to be confirmed, and the confirmation.

use meoww_proto::UserId;
use serde::{Deserialize, Serialize};
use sled::Transactional;
use time::OffsetDateTime;

use super::{
    Store, StoreError,
    accounts::evict_holder,
    records::{decode, encode},
    trees::{Trees, get, purge},
};
use crate::core::{
    account::{Account, Email},
    otp::{Challenge, Seal, Verdict},
};

/// An address that waits for its code.
#[derive(Serialize, Deserialize)]
pub(super) struct AddressChange {
    email: Email,
    challenge: Challenge,
}

/// What became of a code for a new address.
pub enum AddressConfirmation {
    /// The account has the new address.
    Changed {
        /// As it is now.
        account: Box<Account>,
        /// The address it had.
        old: Email,
    },
    /// The code was looked at and not accepted.
    Refused(Verdict),
    /// The code was right, but somebody else has the address by now.
    Taken,
    /// No change waits for this user.
    NoChallenge,
}

impl Store {
    /// Lets a new address wait for its code in place of any before it; `false` if it belongs to
    /// somebody else.
    pub async fn begin_address_change(
        &self,
        user: UserId,
        email: Email,
        challenge: Challenge,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        self.write(move |trees| trees.begin_address_change(user, email, challenge, now)).await
    }

    /// Judges a code and counts the try; the right one gives the account its new address.
    pub async fn confirm_address(
        &self,
        user: UserId,
        candidate: Seal,
        now: OffsetDateTime,
    ) -> Result<AddressConfirmation, StoreError> {
        self.write(move |trees| trees.confirm_address(user, &candidate, now)).await
    }

    /// The address that waits for its code, if one does.
    pub async fn awaited_address(
        &self,
        user: UserId,
        now: OffsetDateTime,
    ) -> Result<Option<Email>, StoreError> {
        self.read(move |trees| trees.awaited_address(user, now)).await
    }
}

impl Trees {
    fn begin_address_change(
        &self,
        user: UserId,
        email: Email,
        challenge: Challenge,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        if let Some(holder) = self.account_by_email(&email)? {
            let waiting = self.challenges.get(holder.id.as_bytes())?;
            let waiting = waiting.map(|bytes| decode::<Challenge>(&bytes));
            let is_stale = waiting.transpose()?.is_none_or(|code| code.is_expired(now));
            if holder.is_verified || !is_stale {
                return Ok(false);
            }
        }
        let change = AddressChange { email, challenge };
        self.address_changes.insert(user.as_bytes(), encode(&change))?;
        Ok(true)
    }

    fn confirm_address(
        &self,
        user: UserId,
        candidate: &Seal,
        now: OffsetDateTime,
    ) -> Result<AddressConfirmation, StoreError> {
        let id = user.as_bytes();
        let trees = (
            &self.accounts,
            &self.emails,
            &self.usernames,
            &self.challenges,
            &self.address_changes,
        );
        let confirmation =
            trees.transaction(|(accounts, emails, usernames, challenges, changes)| {
                let Some(mut change) = get::<AddressChange>(changes, id)? else {
                    return Ok(AddressConfirmation::NoChallenge);
                };
                let Some(mut account) = get::<Account>(accounts, id)? else {
                    return Ok(AddressConfirmation::NoChallenge);
                };
                match change.challenge.attempt(candidate, now) {
                    Verdict::Accepted => changes.remove(id)?,
                    Verdict::Wrong => {
                        changes.insert(id, encode(&change))?;
                        return Ok(AddressConfirmation::Refused(Verdict::Wrong));
                    }
                    refusal @ (Verdict::Exhausted | Verdict::Expired) => {
                        return Ok(AddressConfirmation::Refused(refusal));
                    }
                };
                if let Some(holder) = emails.get(change.email.as_str())?
                    && !evict_holder(accounts, emails, usernames, challenges, &holder, now)?
                {
                    return Ok(AddressConfirmation::Taken);
                }
                emails.remove(account.email.as_str())?;
                emails.insert(change.email.as_str(), id)?;
                let old = std::mem::replace(&mut account.email, change.email);
                accounts.insert(id, encode(&account))?;
                Ok(AddressConfirmation::Changed { account: Box::new(account), old })
            })?;
        Ok(confirmation)
    }

    fn awaited_address(
        &self,
        user: UserId,
        now: OffsetDateTime,
    ) -> Result<Option<Email>, StoreError> {
        let bytes = self.address_changes.get(user.as_bytes())?;
        let change = bytes.map(|bytes| decode::<AddressChange>(&bytes));
        let change = change.transpose()?.filter(|change| !change.challenge.is_expired(now));
        Ok(change.map(|change| change.email))
    }

    pub(super) fn purge_address_changes(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        purge::<AddressChange>(&self.address_changes, |change| change.challenge.is_expired(now))
    }
}
