//! Mail: to a server, to files, or to whoever tests us.

mod letters;

use std::{
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    address::AddressError,
    message::{Mailbox, MultiPart},
};
use time::OffsetDateTime;
use tokio::{sync::mpsc, time::timeout};
use uuid::Uuid;

pub use self::letters::{Letter, Purpose};
use crate::{
    atomic_file::AtomicFile,
    config::{Config, ConfigError},
    core::account::Email,
};

/// Longest a mail server may take to accept a mail, from connecting to its last word.
const SMTP_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The mail itself cannot be written.
    #[error("mail cannot be written: {0}")]
    Message(#[from] lettre::error::Error),
    /// No mail can go to the address; an earlier version may have stored it.
    #[error("mail cannot be addressed: {0}")]
    Address(#[from] AddressError),
    /// The mail server refused it or did not answer.
    #[error("mail server: {0}")]
    Smtp(#[from] lettre::transport::smtp::Error),
    /// The mail server accepted the connection, and then said nothing for too long.
    #[error("mail server: no answer within {} s", SMTP_TIMEOUT.as_secs())]
    Silent,
    /// The outbox could not take it.
    #[error("outbox: {0}")]
    Outbox(#[from] io::Error),
    /// Nobody empties the memory outbox.
    #[error("memory outbox is full or closed")]
    Memory,
}

impl MailError {
    /// Whether the mail server may yet take the mail: it was silent, or said 4yz (RFC 5321, 4.2.1).
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Silent => true,
            Self::Smtp(error) => error.is_transient() || error.is_timeout(),
            Self::Message(_) | Self::Address(_) | Self::Outbox(_) | Self::Memory => false,
        }
    }

    /// Whether every other try will fail, too: the mail server said 5yz, or there is no mail.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Smtp(error) => error.is_permanent(),
            Self::Message(_) | Self::Address(_) => true,
            Self::Silent | Self::Outbox(_) | Self::Memory => false,
        }
    }
}

/// A mail on its way to a user, as [`Mailer::Memory`] hands it over.
#[derive(Debug)]
pub struct SentCode {
    /// Where it goes.
    pub to: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Six digits; empty in a mail that carries none.
    pub code: String,
}

/// Where mail goes.
pub enum Mailer {
    /// To a mail server.
    Smtp {
        /// A pool of connections.
        transport: AsyncSmtpTransport<Tokio1Executor>,
        /// Sender.
        from: Mailbox,
    },
    /// To `.eml` files (RFC 5322) whose names sort by time.
    Outbox {
        /// Created when needed.
        directory: PathBuf,
        /// Sender.
        from: Mailbox,
    },
    /// To the other end of a channel. When that is full or gone, sending fails.
    Memory(mpsc::Sender<SentCode>),
}

impl Mailer {
    /// As configured: to the mail server, or else to files in the data directory.
    pub fn from_config(config: &Config) -> Result<Self, ConfigError> {
        let from = config.email_from.clone();
        let Some(url) = &config.smtp_url else {
            return Ok(Self::Outbox { directory: config.data_dir.join("outbox"), from });
        };
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose())
            .map_err(|error| ConfigError::Invalid {
                name: "MEOWW_SMTP_URL",
                reason: error.to_string(),
            })?
            .timeout(Some(SMTP_TIMEOUT))
            .build();
        Ok(Self::Smtp { transport, from })
    }

    /// Sends a mail; returns when the mail server, the disk or the channel has it.
    pub async fn send(
        &self,
        to: &Email,
        letter: Letter<'_>,
        now: OffsetDateTime,
    ) -> Result<(), MailError> {
        match self {
            Self::Smtp { transport, from } => {
                // The transport's own bound is on connecting alone.
                let sending = transport.send(message(from, to, letter)?);
                timeout(SMTP_TIMEOUT, sending).await.map_err(|_| MailError::Silent)??;
            }
            Self::Outbox { directory, from } => {
                let mail = message(from, to, letter)?.formatted();
                let directory = directory.clone();
                let written = tokio::task::spawn_blocking(move || write(&directory, &mail, now));
                let path = written.await.map_err(io::Error::other)??;
                tracing::info!(path = %path.display(), "mail written to the outbox");
            }
            Self::Memory(outbox) => {
                let code = letter.code().map_or_else(String::new, |code| code.as_str().to_owned());
                let (to, purpose) = (to.as_str().to_owned(), letter.purpose());
                outbox.try_send(SentCode { to, purpose, code }).map_err(|_| MailError::Memory)?;
            }
        }
        Ok(())
    }
}

impl Mailer {
    /// Whether mail would be taken now.
    pub(crate) async fn check(&self) -> Result<(), MailError> {
        match self {
            Self::Smtp { transport, .. } => {
                match timeout(SMTP_TIMEOUT, transport.test_connection())
                    .await
                    .map_err(|_| MailError::Silent)??
                {
                    true => Ok(()),
                    false => Err(io::Error::from(io::ErrorKind::NotConnected).into()),
                }
            }
            Self::Outbox { directory, .. } => {
                let directory = directory.clone();
                let tried = tokio::task::spawn_blocking(move || try_directory(&directory));
                Ok(tried.await.map_err(io::Error::other)??)
            }
            Self::Memory(outbox) if outbox.is_closed() => Err(MailError::Memory),
            Self::Memory(_) => Ok(()),
        }
    }
}

/// The way mail goes at present. What is under way when it changes goes the old way.
pub(crate) struct Post(ArcSwap<Mailer>);

impl Post {
    pub(crate) fn new(mailer: Mailer) -> Self {
        Self(ArcSwap::from_pointee(mailer))
    }

    pub(crate) fn change(&self, mailer: Mailer) {
        self.0.store(Arc::new(mailer));
    }

    /// As [`Mailer::send`].
    pub(crate) async fn send(
        &self,
        to: &Email,
        letter: Letter<'_>,
        now: OffsetDateTime,
    ) -> Result<(), MailError> {
        self.0.load_full().send(to, letter, now).await
    }

    /// As [`Mailer::check`].
    pub(crate) async fn check(&self) -> Result<(), MailError> {
        self.0.load_full().check().await
    }
}

/// Whether files can be made in it.
fn try_directory(directory: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    AtomicFile::create(&directory.join(Uuid::new_v4().simple().to_string())).map(drop)
}

pub(crate) fn message(
    from: &Mailbox,
    to: &Email,
    letter: Letter<'_>,
) -> Result<Message, MailError> {
    let text = letter.text();
    let message = Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to.as_str().parse()?))
        .subject(text.subject)
        .message_id(None)
        .multipart(MultiPart::alternative_plain_html(text.plain, text.html))?;
    Ok(message)
}

/// Whoever watches the directory sees whole mails only: a name ends in `.eml` once it is written.
fn write(directory: &Path, mail: &[u8], now: OffsetDateTime) -> io::Result<PathBuf> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let millis = now.unix_timestamp_nanos() / 1_000_000;
    let path = directory.join(format!("{millis:015}-{}.eml", Uuid::new_v4().simple()));
    let mut draft = AtomicFile::create(&path)?;
    draft.write_all(mail)?;
    draft.commit()?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Secret, core::otp::Code, fuzzing::recipient};
    use proptest::prelude::*;
    use std::os::unix::fs::PermissionsExt;

    /// It takes the connection and says nothing.
    #[tokio::test(start_paused = true)]
    async fn a_silent_mail_server_is_given_up_on() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut config = Config::new("unused".into());
        let address = listener.local_addr().expect("bound");
        config.smtp_url = Some(Secret::new(format!("smtp://{address}")));
        let mailer = Mailer::from_config(&config).expect("a good URL");
        let to = Email::parse("ada@example.com").expect("an address");
        let code = Code::parse("012345").expect("six digits");
        let send = async {
            let sending = mailer.send(&to, Letter::Verify(&code), OffsetDateTime::UNIX_EPOCH);
            timeout(2 * SMTP_TIMEOUT, sending).await
        };
        let silent = async {
            let _connection = listener.accept().await.expect("a connection");
            std::future::pending::<()>().await;
        };
        tokio::select! {
            sent = send => assert!(sent.expect("given up on").is_err(), "nothing was said"),
            () = silent => {}
        }
    }

    proptest! {
        /// No sign-up may end in a mail that can never be sent.
        #[test]
        fn every_accepted_address_can_be_mailed(
            user in r#"[a-z0-9]{1,3}([a-z.+]|[à-ſऀ-ॿ가-힣]|[-"\\<>,:;@ !]|\PC)[a-z0-9]{1,3}"#,
            domain in r"[a-z0-9]{1,3}([-a-z0-9.]|[à-ſ_:]){1,3}[a-z]{1,2}|\[[0-9.:]{2,9}\]|[0-9.]{4,9}",
        ) {
            if let Ok(email) = Email::parse(&format!("{user}@{domain}")) {
                prop_assert_eq!(recipient(&email), Some(email.as_str().to_owned()));
            }
        }
    }

    #[tokio::test]
    async fn the_outbox_holds_whole_mails_for_the_owner_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let directory = dir.path().join("outbox");
        let from = "Meoww <meoww@localhost>".parse().expect("a mailbox");
        let mailer = Mailer::Outbox { directory: directory.clone(), from };
        let to = Email::parse("ada@example.com").expect("an address");
        for (seconds, code) in [(9, "012345"), (10, "543210")] {
            let now = OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(seconds);
            let code = Code::parse(code).expect("six digits");
            mailer.send(&to, Letter::Verify(&code), now).await.expect("written");
        }
        let entries = std::fs::read_dir(&directory).expect("there");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
        paths.sort();
        assert_eq!(paths.len(), 2);
        for (path, code) in paths.iter().zip(["012345", "543210"]) {
            let mail = std::fs::read_to_string(path).expect("text");
            assert_eq!(mail.lines().filter(|line| *line == code).count(), 1, "{mail}");
            assert!(mail.contains("Subject: Your Meoww verification code\r\n"), "{mail}");
            assert!(mail.contains("To: ada@example.com\r\n"), "{mail}");
            let mode = std::fs::metadata(path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
