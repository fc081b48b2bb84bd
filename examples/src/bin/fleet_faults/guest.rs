//! A user whose session ends at one node, with a socket at another.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use meoww_proto::{error::SignalErrorCode, signal::ServerMessage};
use reqwest::StatusCode;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::{
    account::{self, Account},
    bot::{self, Socket},
    clock,
};

/// A socket that is open for so long is not closed any more.
const PATIENCE: Duration = Duration::from_secs(30);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(100);

/// Lets users stay until their sessions end, one a second from the fault on. Returns for how long each
/// socket outlived its session.
pub(crate) fn invite(
    tokens: Vec<String>,
    nodes: &Arc<Vec<String>>,
    struck: &watch::Receiver<bool>,
) -> JoinSet<anyhow::Result<Duration>> {
    let guests = tokens.into_iter().enumerate();
    guests.map(|(number, token)| stay(number, nodes.clone(), token, struck.clone())).collect()
}

/// Ends the session so many seconds after the fault; returns how long the socket stayed open from the
/// acknowledgement on.
async fn stay(
    number: usize,
    nodes: Arc<Vec<String>>,
    token: String,
    mut struck: watch::Receiver<bool>,
) -> anyhow::Result<Duration> {
    let account = Account::of(&account::client(REQUEST_TIMEOUT), &token);
    let id = account.session(&nodes[0]).await?;
    let ended = async {
        struck.wait_for(|struck| *struck).await?;
        sleep(Duration::from_secs(number as u64)).await;
        for node in nodes.iter().cycle().skip(number + 1) {
            if account.end_session(node, &id).await {
                break;
            }
            sleep(RETRY).await;
        }
        anyhow::Ok(clock())
    };
    let (closed, ended) = tokio::join!(until_closed(number, &nodes, &token), ended);
    Ok(closed.saturating_duration_since(ended?))
}

/// Connects again and again, until the server says that the session has ended; returns when.
async fn until_closed(number: usize, nodes: &[String], token: &str) -> Instant {
    for node in nodes.iter().cycle().skip(number) {
        match bot::open(node, token, None).await {
            Ok(mut socket) => {
                if let Ok(true) = timeout(PATIENCE, has_ended(&mut socket)).await {
                    break;
                }
            }
            Err(error) if is_unauthorized(&error) => break,
            Err(_) => {}
        }
        sleep(RETRY).await;
    }
    clock()
}

/// Reads until the connection is over; returns whether that is as the session has ended.
async fn has_ended(socket: &mut Socket) -> bool {
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Text(text) = message
            && let Ok(ServerMessage::Error(error)) = ServerMessage::decode(&text)
            && error.code == SignalErrorCode::SessionEnded
        {
            return true;
        }
    }
    false
}

fn is_unauthorized(error: &anyhow::Error) -> bool {
    match error.downcast_ref() {
        Some(tungstenite::Error::Http(answer)) => answer.status() == StatusCode::UNAUTHORIZED,
        _ => false,
    }
}
