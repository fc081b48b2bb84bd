//! What goes over the socket: one line of JSON each way, and for exports and imports the records
//! after it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    AdminRequest, Desk, db, drain,
    failure::{Kind, Problem},
    lobby, report, stats, user,
};

/// Of the two lines; another version is refused, as program and server are one binary.
const VERSION: u32 = 1;
/// Longest line with a request.
pub(crate) const MAX_REQUEST: u64 = 64 * 1024;
/// Longest line with a reply.
pub(crate) const MAX_REPLY: u64 = 256 << 20;

/// The line to the server.
#[derive(Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) version: u32,
    pub(crate) ask: String,
    pub(crate) of: Value,
}

/// The line back.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reply {
    Answer(Value),
    Problem(Problem),
}

impl Request {
    pub(crate) fn new(ask: &str, of: Value) -> Self {
        Self { version: VERSION, ask: ask.into(), of }
    }

    /// Reads the line.
    pub(crate) fn parse(line: &str) -> Result<Self, Problem> {
        let failed = |message| Problem::new(Kind::Failed, message);
        let request: Self = serde_json::from_str(line)
            .map_err(|_| failed("the request is no line of JSON".to_owned()))?;
        if request.version != VERSION {
            return Err(failed(format!("the server speaks version {VERSION} on this socket")));
        }
        Ok(request)
    }
}

impl From<Result<Value, Problem>> for Reply {
    fn from(outcome: Result<Value, Problem>) -> Self {
        match outcome {
            Ok(answer) => Self::Answer(answer),
            Err(problem) => Self::Problem(problem),
        }
    }
}

/// Answers a request by its name.
pub(crate) async fn answer(desk: &Desk, request: Request) -> Result<Value, Problem> {
    let Request { ask, of, .. } = request;
    match ask.as_str() {
        db::Check::NAME => run::<db::Check>(desk, of).await,
        stats::Stats::NAME => run::<stats::Stats>(desk, of).await,
        user::List::NAME => run::<user::List>(desk, of).await,
        user::Show::NAME => run::<user::Show>(desk, of).await,
        user::Create::NAME => run::<user::Create>(desk, of).await,
        user::Verify::NAME => run::<user::Verify>(desk, of).await,
        user::Ban::NAME => run::<user::Ban>(desk, of).await,
        user::Unban::NAME => run::<user::Unban>(desk, of).await,
        user::Delete::NAME => run::<user::Delete>(desk, of).await,
        user::SetPassword::NAME => run::<user::SetPassword>(desk, of).await,
        user::Sessions::NAME => run::<user::Sessions>(desk, of).await,
        report::List::NAME => run::<report::List>(desk, of).await,
        report::Show::NAME => run::<report::Show>(desk, of).await,
        report::Resolve::NAME => run::<report::Resolve>(desk, of).await,
        lobby::Rooms::NAME => run::<lobby::Rooms>(desk, of).await,
        lobby::Broadcast::NAME => run::<lobby::Broadcast>(desk, of).await,
        drain::Drain::NAME => run::<drain::Drain>(desk, of).await,
        _ => Err(Problem::new(Kind::Failed, format!("the server knows no command {ask:?}"))),
    }
}

/// Answers what another node asks of this one on behalf of an operator.
pub(crate) async fn answer_node(desk: &Desk, request: Request) -> Result<Value, Problem> {
    let Request { ask, of, .. } = request;
    match ask.as_str() {
        stats::StatsHere::NAME => run::<stats::StatsHere>(desk, of).await,
        lobby::RoomsHere::NAME => run::<lobby::RoomsHere>(desk, of).await,
        lobby::BroadcastHere::NAME => run::<lobby::BroadcastHere>(desk, of).await,
        drain::DrainHere::NAME => run::<drain::DrainHere>(desk, of).await,
        _ => Err(Problem::new(Kind::Failed, "this node does not know the question")),
    }
}

async fn run<A: AdminRequest>(desk: &Desk, of: Value) -> Result<Value, Problem> {
    let failed = |error: serde_json::Error| Problem::new(Kind::Failed, error.to_string());
    let ask: A = serde_json::from_value(of).map_err(failed)?;
    to_value(ask.answer(desk).await?)
}

/// An answer as it travels.
pub(crate) fn to_value(answer: impl Serialize) -> Result<Value, Problem> {
    serde_json::to_value(answer).map_err(|error| Problem::new(Kind::Failed, error.to_string()))
}
