//! The queue of mails on disk. An entry is committed in the transaction of the code it carries, or of
//! the change it tells of.

use time::OffsetDateTime;

use super::{
    Store, StoreError,
    addresses::AddressChange,
    records::decode,
    scan::KeyRange,
    tables::{Table, Tables},
    transaction::{Transaction, Tx},
};
use crate::core::{
    account::Email,
    mail_queue::{MailSubject, QueuedMail},
    otp::{Challenge, Presenter},
};

/// What is to be done about a queued mail.
pub enum MailDue {
    /// Send the code of this challenge to this address.
    Code(Email, Challenge),
    /// Tell the old address that the account has a new one.
    Notice {
        /// The address it goes to.
        old: Email,
        /// The address the account has.
        new: Email,
    },
    /// Nothing: it expired, or its code was used or guessed at too often.
    Void,
    /// Nothing: it left the queue, or a later mail took its place.
    Gone,
}

impl Store {
    /// Returns every mail in the queue.
    pub async fn queued_mails(&self) -> Result<Vec<QueuedMail>, StoreError> {
        self.read(Tables::queued_mails).await
    }

    /// Returns what is to be done about a mail now.
    pub async fn mail_due(
        &self,
        mail: QueuedMail,
        now: OffsetDateTime,
    ) -> Result<MailDue, StoreError> {
        self.read(move |tables| tables.mail_due(&mail, now)).await
    }

    /// Removes a mail from the queue, unless a later one took its place.
    pub async fn unqueue_mail(&self, mail: QueuedMail) -> Result<(), StoreError> {
        self.write(move |tables| tables.unqueue_mail(&mail)).await
    }
}

impl Tx<'_> {
    /// Queues a mail.
    pub(super) fn queue(&self, mail: &QueuedMail) -> Transaction<()> {
        self.put(Table::MailQueue, mail.subject.key(), mail)
    }

    /// Queues the mail of a challenge.
    pub(super) fn queue_mail(
        &self,
        subject: MailSubject,
        challenge: &Challenge,
    ) -> Transaction<QueuedMail> {
        let mail = challenge.mail(subject);
        self.queue(&mail)?;
        Ok(mail)
    }

    /// Removes the mail about a subject, if there is one.
    pub(super) fn drop_mail(&self, subject: &MailSubject) -> Transaction<()> {
        self.remove(Table::MailQueue, subject.key())
    }
}

impl Tables {
    fn queued_mails(&self) -> Result<Vec<QueuedMail>, StoreError> {
        self.scan(Table::MailQueue, KeyRange::all()).map(|entry| decode(&entry?.1)).collect()
    }

    fn mail_due(&self, mail: &QueuedMail, now: OffsetDateTime) -> Result<MailDue, StoreError> {
        if self.get(Table::MailQueue, mail.subject.key())?.as_ref() != Some(mail) {
            return Ok(MailDue::Gone);
        }
        let owner = &[Presenter::Owner][..];
        let (waiting, presenters) = match &mail.subject {
            MailSubject::SignUp(user) => {
                let account = self.account(*user)?.filter(|account| !account.is_verified);
                let challenge = self.get(Table::Challenges, user.as_bytes())?;
                (account.map(|account| account.email).zip(challenge), owner)
            }
            MailSubject::Reset(email) => {
                let account = self.account_by_email(email)?.filter(|account| account.is_verified);
                let challenge = self.get(Table::Resets, email.as_str())?;
                let presenters = &[Presenter::Owner, Presenter::Anyone][..];
                (account.map(|account| account.email).zip(challenge), presenters)
            }
            MailSubject::ChangeEmail(user) => {
                let change = self.get::<AddressChange>(Table::AddressChanges, user.as_bytes())?;
                (change.map(|change| (change.email, change.challenge)), owner)
            }
            MailSubject::EmailChanged { .. } if mail.is_expired(now) => return Ok(MailDue::Void),
            MailSubject::EmailChanged { old, new, .. } => {
                return Ok(MailDue::Notice { old: old.clone(), new: new.clone() });
            }
        };
        Ok(match waiting.filter(|(_, challenge)| challenge.is_open(presenters, now)) {
            Some((to, challenge)) => MailDue::Code(to, challenge),
            None => MailDue::Void,
        })
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
