//! Somebody who signs up again and again, and keeps a list of what was acknowledged.

use std::{sync::Arc, time::Duration};

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{sync::watch, time::sleep};

const TIMEOUT: Duration = Duration::from_secs(15);
const RETRY: Duration = Duration::from_millis(100);

/// Signs up at one node after the other until it is told to stop; returns the names of the accounts
/// that were acknowledged.
pub(crate) async fn write(nodes: Arc<Vec<String>>, stop: watch::Receiver<bool>) -> Vec<String> {
    let http = reqwest::Client::builder().timeout(TIMEOUT).build().expect("a client");
    let mut acknowledged = Vec::new();
    let mut node = 0;
    for n in 0.. {
        let username = format!("writer_{n}");
        loop {
            if *stop.borrow() {
                return acknowledged;
            }
            node += 1;
            match sign_up(&http, &nodes[node % nodes.len()], &username).await {
                Ok(StatusCode::CREATED) => break acknowledged.push(username),
                // By a first try without an answer.
                Ok(StatusCode::BAD_REQUEST) => break,
                Ok(_) | Err(_) => sleep(RETRY).await,
            }
        }
    }
    acknowledged
}

async fn sign_up(
    http: &reqwest::Client,
    node: &str,
    username: &str,
) -> reqwest::Result<StatusCode> {
    let account: Value = json!({
        "name": username,
        "username": username,
        "email": format!("{username}@example.org"),
        "password": "correct horse battery",
    });
    let request = http.post(format!("{node}/api/auth/signup"));
    let request = request.header("content-type", "application/json").body(account.to_string());
    Ok(request.send().await?.status())
}
