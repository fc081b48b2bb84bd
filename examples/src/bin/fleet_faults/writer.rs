//! Changes of accounts, one after the other and of every kind, at one node after the other; what was
//! acknowledged is listed.

use std::{future::Future, sync::Arc, time::Duration};

use meoww_examples::fleet::Operator;
use reqwest::{Client, StatusCode};
use tokio::{
    process::Command,
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    account::{Account, Verdict, log_in, sign_up},
    change::Change,
};

/// How long an answer may take.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(15);
const RETRY: Duration = Duration::from_millis(100);
/// Between two changes of a kind that uses up an account each.
const PAUSE: Duration = Duration::from_millis(300);
/// Accounts for each of these kinds: for half a minute.
const EACH: usize = 100;
/// Accounts with sessions that [`Writer::start`] takes.
pub(crate) const ACCOUNTS: usize = 2 * EACH + 1;

#[derive(Clone)]
pub(crate) struct Writer {
    pub(crate) http: Client,
    pub(crate) nodes: Arc<Vec<String>>,
    pub(crate) operators: Vec<Operator>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Writer {
    /// Starts a task for each kind of change; each returns what was acknowledged.
    pub(crate) async fn start(
        self,
        mut tokens: Vec<String>,
    ) -> anyhow::Result<JoinSet<Vec<Change>>> {
        anyhow::ensure!(tokens.len() == ACCOUNTS, "{} accounts", tokens.len());
        let own = Account::of(&self.http, &tokens.pop().unwrap_or_default());
        let [username, email] = own.names(&self.nodes[0]).await?;
        let password = "password number 0".to_owned();
        let set = self.operators[0].command(&["user", "set-password", &username])?;
        anyhow::ensure!(has_succeeded(set, &password).await, "no password is set");
        let to_ban = tokens.split_off(EACH);
        let mut tasks = JoinSet::new();
        tasks.spawn(self.clone().sign_ups());
        tasks.spawn(self.clone().passwords(email, password));
        tasks.spawn(self.clone().sessions(tokens));
        tasks.spawn(self.bans(to_ban));
        Ok(tasks)
    }

    async fn sign_ups(self) -> Vec<Change> {
        let mut acknowledged = Vec::new();
        for (n, node) in self.nodes.iter().cycle().enumerate() {
            let username = format!("writer_{n}");
            let done = self.until_done(node, async |node| {
                match sign_up(&self.http, node, &username).await {
                    Ok(StatusCode::CREATED) => Some(true),
                    // It was made by an earlier try without an answer.
                    Ok(StatusCode::BAD_REQUEST) => Some(false),
                    Ok(_) | Err(_) => None,
                }
            });
            let Some(is_acknowledged) = done.await else { break };
            acknowledged.extend(is_acknowledged.then_some(Change::SignedUp { username }));
        }
        acknowledged
    }

    /// Changes the password of one account, which is logged in anew each time.
    async fn passwords(self, email: String, first: String) -> Vec<Change> {
        let note = |password: &str, or: Option<String>| {
            let (email, password) = (email.clone(), password.to_owned());
            Change::Password { email, password, or }
        };
        let mut acknowledged = vec![note(&first, None)];
        let (mut password, mut tried) = (first, None);
        for n in 1.. {
            let node = &self.nodes[n % self.nodes.len()];
            // The same again after no answer, as that change may be done at any later time.
            let new = tried.clone().unwrap_or_else(|| format!("password number {n}"));
            match self.change_password(node, &email, [&password, &new]).await {
                Changed::Yes => {
                    acknowledged.push(note(&new, None));
                    (password, tried) = (new, None);
                }
                Changed::Perhaps => {
                    acknowledged.pop();
                    acknowledged.push(note(&password, Some(new.clone())));
                    tried = Some(new);
                }
                Changed::NotNow => {}
                // The log-in with the one that was tried without an answer will tell; if there is none,
                // an acknowledged change is gone, which the check at the end finds.
                Changed::Wrong => match tried.take() {
                    Some(effective) => password = effective,
                    None => break,
                },
            }
            if *self.stop.borrow() {
                break;
            }
            sleep(RETRY).await;
        }
        acknowledged
    }

    async fn change_password(&self, node: &str, email: &str, words: [&str; 2]) -> Changed {
        let token = match log_in(&self.http, node, email, words[0]).await {
            Ok(Verdict::Right(token)) => token,
            Ok(Verdict::Wrong) => return Changed::Wrong,
            Err(_) => return Changed::NotNow,
        };
        match Account::of(&self.http, &token).change_password(node, words).await {
            Ok(Verdict::Right(_)) => Changed::Yes,
            Ok(Verdict::Wrong) => Changed::NotNow,
            Err(_) => Changed::Perhaps,
        }
    }

    /// Ends a session of each of these.
    async fn sessions(self, tokens: Vec<String>) -> Vec<Change> {
        let mut acknowledged = Vec::new();
        for (token, node) in tokens.iter().zip(self.nodes.iter().cycle()) {
            let account = Account::of(&self.http, token);
            let id = self.until_done(node, async |node| account.session(node).await.ok());
            let Some(id) = id.await else { break };
            let ended = self
                .until_done(node, async |node| account.end_session(node, &id).await.then_some(()));
            let Some(()) = ended.await else { break };
            acknowledged.push(Change::SessionEnded { id });
            sleep(PAUSE).await;
        }
        acknowledged
    }

    /// Bans each of these, as an operator beside one node after the other.
    async fn bans(self, tokens: Vec<String>) -> Vec<Change> {
        let mut acknowledged = Vec::new();
        for (token, (n, node)) in tokens.iter().zip(self.nodes.iter().enumerate().cycle()) {
            let account = Account::of(&self.http, token);
            let names = self.until_done(node, async |node| account.names(node).await.ok());
            let Some([username, _]) = names.await else { break };
            let words = ["user", "ban", &username, "--reason", "a fault"];
            if let Ok(ban) = self.operators[n].command(&words)
                && has_succeeded(ban, "").await
            {
                acknowledged.push(Change::Banned { username });
            }
            if *self.stop.borrow() {
                break;
            }
            sleep(PAUSE).await;
        }
        acknowledged
    }

    /// Tries at `first` and then at the other nodes until `attempt` returns something; `None` once it
    /// is time to stop.
    async fn until_done<'a, T, F>(
        &'a self,
        first: &str,
        attempt: impl Fn(&'a str) -> F,
    ) -> Option<T>
    where
        F: Future<Output = Option<T>>,
    {
        let nodes = self.nodes.iter().cycle().skip_while(|node| *node != first);
        for node in nodes {
            if *self.stop.borrow() {
                return None;
            }
            if let Some(done) = attempt(node).await {
                return Some(done);
            }
            sleep(RETRY).await;
        }
        None
    }
}

/// The outcome of a change of a password.
enum Changed {
    Yes,
    /// There was no answer.
    Perhaps,
    NotNow,
    /// The present password is not the one that it should be.
    Wrong,
}

/// Runs a command to its end, with this line as its input.
async fn has_succeeded(command: std::process::Command, line: &str) -> bool {
    use tokio::io::AsyncWriteExt;
    let mut command = Command::from(command);
    let piped = std::process::Stdio::piped;
    command.stdin(piped()).stdout(piped()).stderr(piped()).kill_on_drop(true);
    let run = async {
        let mut child = command.spawn()?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(format!("{line}\n").as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    matches!(timeout(TIMEOUT, run).await, Ok(Ok(ended)) if ended.status.success())
}
