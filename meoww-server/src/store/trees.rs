//! The trees on disk and the transactions over them. A transaction may run more than once before it
//! commits, so it decides from what it reads and does nothing else.

use meoww_proto::UserId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sled::{
    Transactional, Tree,
    transaction::{
        ConflictableTransactionError, ConflictableTransactionResult, TransactionError,
        TransactionalTree,
    },
};
use time::OffsetDateTime;

use super::{
    Confirmation, Creation, NewSession, Refresh, Reissue, StoreError,
    records::{decode, encode},
};
use crate::core::{
    account::{Account, Email},
    otp::{Challenge, Seal, Verdict},
    session::{Rotation, Session, SessionId, TokenDigest},
};

#[derive(Clone)]
pub(super) struct Trees {
    /// User id -> [`Account`].
    accounts: Tree,
    /// E-mail -> user id.
    emails: Tree,
    /// Username -> user id.
    usernames: Tree,
    /// User id -> [`Challenge`].
    challenges: Tree,
    /// Session id -> [`Session`].
    sessions: Tree,
    /// Digest of every refresh token a session had -> [`IssuedToken`].
    tokens: Tree,
}

/// A refresh token that is or was good.
#[derive(Serialize, Deserialize)]
struct IssuedToken {
    session: SessionId,
    #[serde(with = "time::serde::timestamp::milliseconds")]
    expires_at: OffsetDateTime,
}

type Transaction<T> = ConflictableTransactionResult<T, StoreError>;

impl From<sled::Error> for StoreError {
    fn from(error: sled::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<TransactionError<StoreError>> for StoreError {
    fn from(error: TransactionError<StoreError>) -> Self {
        match error {
            TransactionError::Abort(error) => error,
            TransactionError::Storage(error) => error.into(),
        }
    }
}

impl Trees {
    pub(super) fn open(db: &sled::Db) -> Result<Self, StoreError> {
        Ok(Self {
            accounts: db.open_tree("accounts")?,
            emails: db.open_tree("emails")?,
            usernames: db.open_tree("usernames")?,
            challenges: db.open_tree("challenges")?,
            sessions: db.open_tree("sessions")?,
            tokens: db.open_tree("refresh_tokens")?,
        })
    }

    fn account(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        self.accounts.get(user.as_bytes())?.map(|bytes| decode(&bytes)).transpose()
    }

    pub(super) fn create_account(
        &self,
        account: &Account,
        challenge: &Challenge,
        now: OffsetDateTime,
    ) -> Result<Creation, StoreError> {
        let trees = (&self.accounts, &self.emails, &self.usernames, &self.challenges);
        let created = trees.transaction(|(accounts, emails, usernames, challenges)| {
            let holders =
                [emails.get(account.email.as_str())?, usernames.get(account.username.as_str())?];
            for holder in holders.into_iter().flatten() {
                let holder = user_id(&holder).map_err(ConflictableTransactionError::Abort)?;
                let Some(old) = get::<Account>(accounts, holder.as_bytes())? else { continue };
                let waiting = get::<Challenge>(challenges, holder.as_bytes())?;
                if old.is_verified || waiting.is_some_and(|code| !code.is_expired(now)) {
                    return Ok(Creation::Taken);
                }
                remove_account(accounts, emails, usernames, challenges, &old)?;
            }
            let id = account.id.as_bytes();
            accounts.insert(id, encode(account))?;
            emails.insert(account.email.as_str(), id)?;
            usernames.insert(account.username.as_str(), id)?;
            challenges.insert(id, encode(challenge))?;
            Ok(Creation::Created)
        })?;
        Ok(created)
    }

    pub(super) fn discard_signup(&self, user: UserId) -> Result<(), StoreError> {
        let trees = (&self.accounts, &self.emails, &self.usernames, &self.challenges);
        trees.transaction(|(accounts, emails, usernames, challenges)| {
            match get::<Account>(accounts, user.as_bytes())? {
                Some(account) if !account.is_verified => {
                    remove_account(accounts, emails, usernames, challenges, &account)
                }
                Some(_) | None => Ok(()),
            }
        })?;
        Ok(())
    }

    pub(super) fn consume_otp(
        &self,
        user: UserId,
        candidate: &Seal,
        session: &NewSession,
        now: OffsetDateTime,
    ) -> Result<Confirmation, StoreError> {
        let id = user.as_bytes();
        let trees = (&self.accounts, &self.challenges, &self.sessions, &self.tokens);
        let confirmation = trees.transaction(|(accounts, challenges, sessions, tokens)| {
            let Some(mut challenge) = get::<Challenge>(challenges, id)? else {
                return Ok(Confirmation::NoChallenge);
            };
            let Some(mut account) = get::<Account>(accounts, id)? else {
                return Ok(Confirmation::NoChallenge);
            };
            match challenge.attempt(candidate, now) {
                Verdict::Accepted => {
                    account.is_verified = true;
                    accounts.insert(id, encode(&account))?;
                    challenges.remove(id)?;
                    open_session(sessions, tokens, session)?;
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

    pub(super) fn replace_otp(
        &self,
        user: UserId,
        challenge: &Challenge,
    ) -> Result<Reissue, StoreError> {
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

    pub(super) fn rotate_refresh(
        &self,
        presented: TokenDigest,
        next: TokenDigest,
        now: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Result<Refresh, StoreError> {
        let refresh = (&self.sessions, &self.tokens).transaction(|(sessions, tokens)| {
            let Some(token) = get::<IssuedToken>(tokens, presented.as_bytes())? else {
                return Ok(Refresh::Unknown);
            };
            let id = token.session.as_bytes();
            let Some(session) = get::<Session>(sessions, id)? else {
                return Ok(Refresh::Unknown);
            };
            match session.rotate(presented, next, now, expires_at) {
                Rotation::Rotated(session) => {
                    let user = session.user;
                    open_session(sessions, tokens, &NewSession { id: token.session, session })?;
                    Ok(Refresh::Rotated(token.session, user))
                }
                Rotation::Reused => {
                    sessions.remove(id)?;
                    Ok(Refresh::Reused)
                }
                Rotation::Expired => {
                    sessions.remove(id)?;
                    Ok(Refresh::Unknown)
                }
            }
        })?;
        Ok(refresh)
    }

    pub(super) fn account_by_email(&self, email: &Email) -> Result<Option<Account>, StoreError> {
        match self.emails.get(email.as_str())? {
            Some(id) => self.account(user_id(&id)?),
            None => Ok(None),
        }
    }

    pub(super) fn session_account(&self, id: SessionId) -> Result<Option<Account>, StoreError> {
        match self.sessions.get(id.as_bytes())? {
            Some(bytes) => self.account(decode::<Session>(&bytes)?.user),
            None => Ok(None),
        }
    }

    pub(super) fn open_session(&self, session: &NewSession) -> Result<(), StoreError> {
        (&self.sessions, &self.tokens)
            .transaction(|(sessions, tokens)| open_session(sessions, tokens, session))?;
        Ok(())
    }

    pub(super) fn end_session(&self, presented: TokenDigest) -> Result<(), StoreError> {
        (&self.sessions, &self.tokens).transaction(|(sessions, tokens)| {
            if let Some(token) = get::<IssuedToken>(tokens, presented.as_bytes())? {
                sessions.remove(token.session.as_bytes())?;
            }
            Ok(())
        })?;
        Ok(())
    }

    pub(super) fn purge_expired(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        purge::<Session>(&self.sessions, |session| session.expires_at <= now)?;
        purge::<IssuedToken>(&self.tokens, |token| token.expires_at <= now)
    }
}

fn get<T: DeserializeOwned>(tree: &TransactionalTree, key: &[u8]) -> Transaction<Option<T>> {
    let bytes = tree.get(key)?;
    bytes.map(|bytes| decode(&bytes)).transpose().map_err(ConflictableTransactionError::Abort)
}

/// Stores the session under its good token; also how a rotation replaces both.
fn open_session(
    sessions: &TransactionalTree,
    tokens: &TransactionalTree,
    NewSession { id, session }: &NewSession,
) -> Transaction<()> {
    sessions.insert(id.as_bytes(), encode(session))?;
    let token = IssuedToken { session: *id, expires_at: session.expires_at };
    tokens.insert(session.current.as_bytes(), encode(&token))?;
    Ok(())
}

fn remove_account(
    accounts: &TransactionalTree,
    emails: &TransactionalTree,
    usernames: &TransactionalTree,
    challenges: &TransactionalTree,
    account: &Account,
) -> Transaction<()> {
    accounts.remove(account.id.as_bytes())?;
    emails.remove(account.email.as_str())?;
    usernames.remove(account.username.as_str())?;
    challenges.remove(account.id.as_bytes())?;
    Ok(())
}

fn user_id(bytes: &[u8]) -> Result<UserId, StoreError> {
    let bytes = bytes.try_into().map_err(|_| StoreError::Unreadable("user id".into()))?;
    Ok(UserId::from_bytes(bytes))
}

fn purge<T: DeserializeOwned>(tree: &Tree, is_over: impl Fn(&T) -> bool) -> Result<(), StoreError> {
    for entry in tree {
        let (key, bytes) = entry?;
        if is_over(&decode(&bytes)?) {
            tree.compare_and_swap(&key, Some(&bytes), None::<&[u8]>)?.ok();
        }
    }
    Ok(())
}
