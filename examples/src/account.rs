//! Throw-away accounts on a server whose mail goes to a folder.

use std::{fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use meoww_cli::{api::Api, config::Servers, session::SessionFile};
use meoww_proto::account::SignupRequest;
use tempfile::TempDir;
use tokio::time::{interval, timeout};

const MAIL_TIMEOUT: Duration = Duration::from_secs(10);

/// An account and its session, kept in a folder that is deleted with it.
pub struct ThrowAway {
    /// Logged in.
    pub api: Arc<Api>,
    _session: TempDir,
}

/// Signs up under a random name and confirms the code found in `outbox`.
pub async fn throw_away(servers: Servers, outbox: &Path) -> anyhow::Result<ThrowAway> {
    let session = tempfile::tempdir()?;
    let api = Api::new(servers, SessionFile::new(session.path().join("sessions.json")))?;
    let username = format!("bot_{:08x}", rand::random::<u32>());
    let email = format!("{username}@example.org");
    let password = format!("{:032x}", rand::random::<u128>());
    let name = "A bot".to_owned();
    api.signup(&SignupRequest { name, username, email: email.clone(), password }).await?;
    let code = timeout(MAIL_TIMEOUT, mailed_code(outbox, &email)).await;
    api.verify(None, code.context("no code came by mail")??).await?;
    Ok(ThrowAway { api: Arc::new(api), _session: session })
}

async fn mailed_code(outbox: &Path, email: &str) -> anyhow::Result<String> {
    let mut look = interval(Duration::from_millis(20));
    loop {
        look.tick().await;
        for entry in fs::read_dir(outbox).with_context(|| format!("no outbox at {outbox:?}"))? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "eml") {
                continue;
            }
            let mail = fs::read_to_string(&path)?;
            if mail.contains(&format!("To: {email}")) {
                let Some(code) = code_in(&mail) else { bail!("no code in {path:?}") };
                return Ok(code.to_owned());
            }
        }
    }
}

/// The line that is six digits and nothing else.
fn code_in(mail: &str) -> Option<&str> {
    let six_digits = |line: &&str| line.len() == 6 && line.bytes().all(|b| b.is_ascii_digit());
    mail.lines().map(str::trim).find(six_digits)
}
