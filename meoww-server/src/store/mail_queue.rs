//! The queue of mails on disk. An entry is committed in the transaction of the code it carries.

use time::OffsetDateTime;

use super::{
    Store, StoreError,
    addresses::AddressChange,
    records::decode,
    transaction::{Transaction, Tx},
    trees::{Table, Trees},
};
use crate::core::{
    account::Email,
    mail_queue::{MailSubject, QueuedMail},
    otp::{Challenge, Presenter},
};

/// What is to be done about a queued mail.
pub enum MailDue {
    /// Send the code of this challenge to this address.
    To(Email, Challenge),
    /// Nothing: its code was used, expired or guessed at too often.
    Void,
    /// Nothing: it left the queue, or a later mail took its place.
    Gone,
}

impl Store {
    /// Returns every mail in the queue.
    pub async fn queued_mails(&self) -> Result<Vec<QueuedMail>, StoreError> {
        self.read(Trees::queued_mails).await
    }

    /// Returns what is to be done about a mail now.
    pub async fn mail_due(
        &self,
        mail: QueuedMail,
        now: OffsetDateTime,
    ) -> Result<MailDue, StoreError> {
        self.read(move |trees| trees.mail_due(&mail, now)).await
    }

    /// Removes a mail from the queue, unless a later one took its place.
    pub async fn unqueue_mail(&self, mail: QueuedMail) -> Result<(), StoreError> {
        self.write(move |trees| trees.unqueue_mail(&mail)).await
    }
}

impl Tx<'_> {
    /// Queues the mail of a challenge.
    pub(super) fn queue_mail(
        &self,
        subject: MailSubject,
        challenge: &Challenge,
    ) -> Transaction<QueuedMail> {
        let mail = challenge.mail(subject);
        self.put(Table::MailQueue, mail.subject.key(), &mail)?;
        Ok(mail)
    }

    /// Removes the mail about a subject, if there is one.
    pub(super) fn drop_mail(&self, subject: &MailSubject) -> Transaction<()> {
        self.remove(Table::MailQueue, subject.key())
    }
}

impl Trees {
    fn queued_mails(&self) -> Result<Vec<QueuedMail>, StoreError> {
        self.tree(Table::MailQueue).iter().values().map(|bytes| decode(&bytes?)).collect()
    }

    fn mail_due(&self, mail: &QueuedMail, now: OffsetDateTime) -> Result<MailDue, StoreError> {
        if self.get(Table::MailQueue, mail.subject.key())?.as_ref() != Some(mail) {
            return Ok(MailDue::Gone);
        }
        let due = self.challenge_of(&mail.subject)?.filter(|(_, challenge)| {
            let presenters: &[Presenter] = match mail.subject {
                MailSubject::SignUp(_) | MailSubject::ChangeEmail(_) => &[Presenter::Owner],
                MailSubject::Reset(_) => &[Presenter::Owner, Presenter::Anyone],
            };
            !challenge.is_expired(now) && !presenters.iter().all(|it| challenge.is_exhausted(*it))
        });
        Ok(match due {
            Some((to, challenge)) => MailDue::To(to, challenge),
            None => MailDue::Void,
        })
    }

    /// Returns the challenge that waits for a subject, and the address its code goes to.
    fn challenge_of(
        &self,
        subject: &MailSubject,
    ) -> Result<Option<(Email, Challenge)>, StoreError> {
        match subject {
            MailSubject::SignUp(user) => {
                let account = self.account(*user)?.filter(|account| !account.is_verified);
                let challenge = self.get(Table::Challenges, user.as_bytes())?;
                Ok(account.map(|account| account.email).zip(challenge))
            }
            MailSubject::Reset(email) => {
                let account = self.account_by_email(email)?.filter(|account| account.is_verified);
                let challenge = self.get(Table::Resets, email.as_str())?;
                Ok(account.map(|account| account.email).zip(challenge))
            }
            MailSubject::ChangeEmail(user) => {
                let change = self.get::<AddressChange>(Table::AddressChanges, user.as_bytes())?;
                Ok(change.map(|change| (change.email, change.challenge)))
            }
        }
    }

    fn unqueue_mail(&self, mail: &QueuedMail) -> Result<(), StoreError> {
        self.transaction(|tx| {
            let queued = tx.get::<QueuedMail>(Table::MailQueue, mail.subject.key())?;
            match queued.as_ref() == Some(mail) {
                true => tx.drop_mail(&mail.subject),
                false => Ok(()),
            }
        })
    }
}
