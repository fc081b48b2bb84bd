//! Commands that concern every node of a fleet. The server that is asked asks the others, and names
//! those that did not answer.

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::{task::JoinSet, time::timeout};

use super::{
    AdminRequest, Desk,
    failure::{Kind, Problem},
    protocol::{self, Reply, Request},
};
use crate::{
    core::fleet::{MAX_ANSWER_BYTES, NodeId},
    hub::Question,
};

/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Questions of other nodes that are answered at once; the next one waits.
const MAX_ANSWERING: usize = 16;

/// Asks every other node; `None` of those that did not answer in time, or not what was asked.
pub(crate) async fn ask_others<A: AdminRequest + Sync>(
    desk: &Desk,
    ask: &A,
) -> Vec<(NodeId, Option<A::Answer>)> {
    let nodes = desk.services.hub.other_nodes().await;
    let answers = nodes.into_iter().map(async |node| (node, ask_node(desk, node, ask).await));
    join_all(answers).await
}

/// Asks one of the other nodes; `None` if it did not answer in time, or not what was asked.
pub(crate) async fn ask_node<A: AdminRequest + Sync>(
    desk: &Desk,
    node: NodeId,
    ask: &A,
) -> Option<A::Answer> {
    let text =
        serde_json::to_value(ask).and_then(|of| serde_json::to_string(&Request::new(A::NAME, of)));
    let text = text.ok().filter(|text| text.len() <= MAX_ANSWER_BYTES)?;
    let answer = timeout(PATIENCE, desk.services.hub.ask_node(node, text)).await.ok()??;
    match serde_json::from_str(&answer) {
        Ok(Reply::Answer(answer)) => serde_json::from_value(answer)
            .inspect_err(|error| tracing::warn!(%node, %error, "node gave another answer"))
            .ok(),
        Ok(Reply::Problem(problem)) => {
            tracing::warn!(%node, %problem, "node could not answer");
            None
        }
        Err(error) => {
            tracing::warn!(%node, %error, "node cannot be understood");
            None
        }
    }
}

/// Returns the numbers of those that did not answer, without those that have ended well meanwhile: a
/// node is given up before it could have been waited for in vain.
pub(crate) async fn silent<T>(desk: &Desk, answers: &[(NodeId, Option<T>)]) -> Vec<u32> {
    let nodes = desk.services.hub.other_nodes().await;
    let silent = answers.iter().filter(|(node, answer)| answer.is_none() && nodes.contains(node));
    silent.map(|(node, _)| node.get()).collect()
}

/// Fails if nodes did not answer, and names them.
pub(crate) fn demand_all(silent: &[u32]) -> Result<(), Problem> {
    if silent.is_empty() { Ok(()) } else { Err(unanswered(silent)) }
}

/// Names nodes that did not answer.
pub(crate) fn unanswered(silent: &[u32]) -> Problem {
    let names: Vec<_> = silent.iter().map(u32::to_string).collect();
    let (seconds, names) = (PATIENCE.as_secs(), names.join(", "));
    Problem::new(Kind::Silent, format!("did not answer within {seconds} seconds: node {names}"))
}

/// Answers what other nodes ask, for as long as the server runs.
pub(crate) async fn answer_others(desk: Arc<Desk>) -> Infallible {
    let mut answering = JoinSet::new();
    loop {
        tokio::select! {
            question = desk.services.hub.next_question(), if answering.len() < MAX_ANSWERING => {
                match question {
                    Some(question) => drop(answering.spawn(answer(desk.clone(), question))),
                    // The server ends with its hub.
                    None => std::future::pending().await,
                }
            }
            Some(_) = answering.join_next() => {}
        }
    }
}

async fn answer(desk: Arc<Desk>, question: Question) {
    let outcome = match Request::parse(&question.text) {
        Ok(request) => protocol::answer_node(&desk, request).await,
        Err(problem) => Err(problem),
    };
    match serde_json::to_string(&Reply::from(outcome)) {
        Ok(text) => desk.services.hub.answer_node(question, text).await,
        Err(error) => tracing::error!(%error, "answer to another node cannot be written"),
    }
}
