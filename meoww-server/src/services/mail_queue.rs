//! Mail: tried at once, and again until the mail server takes it or it is of no more use. The queue is
//! on disk, so a restart loses none; the back-off is not, so a restart tries all of it.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use super::{Refusal, Services};
use crate::{
    clock,
    core::{
        mail_queue::{QueuedMail, wait_after},
        otp::{Code, Subject},
    },
    mail::{Letter, MailError},
    store::{MailDue, StoreError},
};

/// Deliveries that may be under way at once; the others wait for their turn.
pub(super) const MAX_DELIVERIES: usize = 64;
/// Longest a request waits for the first try.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a request knows of its mail when it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstTry {
    /// The mail server has the mail.
    Sent,
    /// The mail server is silent or asked to try later; the mail stays in the queue.
    Pending,
    /// The mail server refused the mail or cannot be reached.
    Failed,
}

/// How one try ended.
enum Try {
    Sent,
    Void,
    Gone,
    Failed(MailError),
    /// The server is stopping; the next one goes on.
    Interrupted,
}

impl Services {
    /// Delivers a queued mail and waits for the first try, for ten seconds at most. A mail that failed
    /// within them leaves the queue.
    pub(super) async fn deliver(self: &Arc<Self>, mail: QueuedMail) -> FirstTry {
        let (sender, first) = oneshot::channel();
        self.background.follow_up(self.clone().keep_trying(mail, Some(sender)));
        match timeout(PATIENCE, first).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => FirstTry::Pending,
        }
    }

    /// Like [`Services::deliver`], with the refusal that a failure is answered with.
    pub(super) async fn deliver_or_refuse(
        self: &Arc<Self>,
        mail: QueuedMail,
    ) -> Result<(), Refusal> {
        match self.deliver(mail).await {
            FirstTry::Sent | FirstTry::Pending => Ok(()),
            FirstTry::Failed => Err(Refusal::Invalid("Failed to send OTP email".into())),
        }
    }

    /// Delivers a queued mail without waiting for it.
    pub(super) fn deliver_later(self: &Arc<Self>, mail: QueuedMail) {
        self.background.follow_up(self.clone().keep_trying(mail, None));
    }

    /// Delivers the mails that waited when the last server stopped.
    pub(crate) async fn resume_mails(self: &Arc<Self>) -> Result<(), StoreError> {
        for mail in self.store.queued_mails().await? {
            self.deliver_later(mail);
        }
        Ok(())
    }

    /// Runs until the mail is sent or given up, or the server stops.
    async fn keep_trying(
        self: Arc<Self>,
        mail: QueuedMail,
        mut first: Option<oneshot::Sender<FirstTry>>,
    ) {
        let purpose = mail.subject.purpose();
        // Returns whether the request was still waiting for it.
        let mut report = |outcome| first.take().is_some_and(|sender| sender.send(outcome).is_ok());
        let mut tries = 0;
        let outcome = loop {
            tries += 1;
            match self.try_once(&mail).await {
                Ok(Try::Sent) => {
                    self.metrics.mail("sent");
                    break FirstTry::Sent;
                }
                Ok(Try::Void) => {
                    self.metrics.mail("given-up");
                    tracing::warn!(purpose, tries, "mail was given up: it is of no more use");
                    break FirstTry::Failed;
                }
                Ok(Try::Failed(error)) => {
                    let outcome = match error.is_temporary() {
                        true => FirstTry::Pending,
                        false => FirstTry::Failed,
                    };
                    // A request that learns of the failure takes back what it did.
                    let is_withdrawn = report(outcome) && outcome == FirstTry::Failed;
                    if is_withdrawn || error.is_final() {
                        self.metrics.mail("given-up");
                        tracing::error!(%error, purpose, tries, "mail was given up: the mail server refused it");
                        break FirstTry::Failed;
                    }
                    self.metrics.mail("retried");
                    let wait = wait_after(tries);
                    let wait_s = wait.as_secs();
                    tracing::warn!(%error, purpose, tries, wait_s, "mail was not sent yet");
                    tokio::select! {
                        () = sleep(wait) => {}
                        () = self.closing.cancelled() => return,
                    }
                }
                Ok(Try::Gone | Try::Interrupted) => return,
                Err(error) => {
                    tracing::error!(%error, purpose, "store could not read a queued mail");
                    return;
                }
            }
        };
        // First, so that what the request does then finds nothing of it.
        if let Err(error) = self.store.unqueue_mail(mail).await {
            tracing::error!(%error, purpose, "store could not remove a mail from the queue");
        }
        report(outcome);
    }

    async fn try_once(&self, mail: &QueuedMail) -> Result<Try, StoreError> {
        let _permit = tokio::select! {
            permit = self.deliveries.acquire() => permit,
            () = self.closing.cancelled() => return Ok(Try::Interrupted),
        };
        let now = clock::now();
        let sent = match self.store.mail_due(mail.clone(), now).await? {
            MailDue::Code(to, challenge) => {
                let Some(subject) = mail.subject.of_code() else { return Ok(Try::Void) };
                let Some(code) = challenge.code(&self.otp_key, subject) else {
                    return Ok(Try::Void);
                };
                self.mailer.send(&to, letter_with(&code, subject), now).await
            }
            MailDue::Notice { old, new } => {
                self.mailer.send(&old, Letter::EmailChanged(&new), now).await
            }
            MailDue::Void => return Ok(Try::Void),
            MailDue::Gone => return Ok(Try::Gone),
        };
        Ok(match sent {
            Ok(()) => Try::Sent,
            Err(error) => Try::Failed(error),
        })
    }
}

fn letter_with<'a>(code: &'a Code, subject: Subject<'_>) -> Letter<'a> {
    match subject {
        Subject::SignUp(_) => Letter::Verify(code),
        Subject::Reset(_) => Letter::ResetPassword(code),
        Subject::ChangeEmail(_) => Letter::ChangeEmail(code),
    }
}
