//! Password hashes of the Node.js backend, replaced when their owners log in.

use crate::{core::account::Account, services::Services, store::StoreError};

impl Services {
    /// Looks for such hashes, so that how long a password takes to be verified does not tell who
    /// has one. That there were some is forgotten at the next start.
    pub(crate) async fn look_for_old_hashes(&self) -> Result<(), StoreError> {
        if let Some(cost) = self.store.highest_bcrypt_cost().await? {
            self.hasher.expect_bcrypt(cost);
        }
        Ok(())
    }

    /// Takes the place of a bcrypt hash whose password was just right. If it fails, the old hash
    /// is good until the next login.
    pub(crate) async fn rehash_password(&self, account: &mut Account, password: String) {
        let new = match self.hasher.hash_again(password).await {
            Ok(new) => new,
            Err(error) => {
                tracing::warn!(%error, user = %account.id, "hasher could not rehash a password");
                return;
            }
        };
        let old = account.password_hash.clone();
        match self.store.rehash_password(account.id, old, new.clone()).await {
            Ok(true) => account.password_hash = new,
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%error, user = %account.id, "store could not write a new password hash");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    use meoww_proto::UserId;
    use time::OffsetDateTime;
    use tokio::sync::mpsc;

    use crate::{
        config::Config,
        core::account::{Email, Name, Username},
        mail::Mailer,
        store::{Batch, Merge},
    };

    fn account(n: u8, password_hash: &str) -> (u64, Account) {
        let account = Account {
            id: UserId::from_bytes([n; 12]),
            name: Name::parse("Ada").expect("a name"),
            username: Username::parse(&format!("ada{n}")).expect("a username"),
            email: Email::parse(&format!("ada{n}@example.com")).expect("an address"),
            password_hash: password_hash.into(),
            profile_image: String::new(),
            is_verified: true,
            created_at: OffsetDateTime::UNIX_EPOCH,
            ban: None,
        };
        (n.into(), account)
    }

    #[tokio::test]
    async fn old_hashes_are_found_among_others() {
        const DIGITS: &str = "GNS/.NoH3s9PN8Zww8TdW.f.3qjKpsFPo0BR7/YJfVjZ3hG9/.pee";
        let dir = tempfile::tempdir().expect("a directory");
        let (outbox, _mail) = mpsc::channel(1);
        let config = Config::new(dir.path().join("data"));
        let services =
            Services::with_mailer(config, Mailer::Memory(outbox)).await.expect("it opens");
        let expected = async || {
            services.look_for_old_hashes().await.expect("read");
            services.hasher.bcrypt_cost.load(Ordering::Relaxed)
        };
        assert_eq!(expected().await, 0);
        let hashes = [format!("$2b$12${DIGITS}"), "$argon2id$x".into(), format!("$2b$10${DIGITS}")];
        let accounts = (1..).zip(&hashes).map(|(n, hash)| account(n, hash));
        let imported = services.store.import(Batch::of_accounts(accounts), Merge::default()).await;
        assert_eq!(imported.expect("imported").faults, []);
        assert_eq!(expected().await, 12);
    }
}
