//! What goes over the socket: one line of JSON each way, and for exports and imports the records
//! after it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Ask, Desk,
    failure::{Kind, Problem},
    stats, user,
};

/// Of the two lines; another version is refused, as program and server are one binary.
pub(crate) const VERSION: u32 = 1;
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
    pub(crate) fn new<A: Ask>(ask: &A) -> Result<Self, serde_json::Error> {
        Ok(Self { version: VERSION, ask: A::NAME.into(), of: serde_json::to_value(ask)? })
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
    let Request { version, ask, of } = request;
    if version != VERSION {
        let message = format!("the server speaks version {VERSION} of the admin protocol");
        return Err(Problem::new(Kind::Failed, message));
    }
    match ask.as_str() {
        stats::Stats::NAME => run::<stats::Stats>(desk, of).await,
        user::List::NAME => run::<user::List>(desk, of).await,
        user::Show::NAME => run::<user::Show>(desk, of).await,
        user::Create::NAME => run::<user::Create>(desk, of).await,
        user::Verify::NAME => run::<user::Verify>(desk, of).await,
        user::Ban::NAME => run::<user::Ban>(desk, of).await,
        user::Unban::NAME => run::<user::Unban>(desk, of).await,
        _ => Err(Problem::new(Kind::Failed, format!("the server knows no command {ask:?}"))),
    }
}

async fn run<A: Ask>(desk: &Desk, of: Value) -> Result<Value, Problem> {
    let failed = |error: serde_json::Error| Problem::new(Kind::Failed, error.to_string());
    let ask: A = serde_json::from_value(of).map_err(failed)?;
    serde_json::to_value(ask.answer(desk).await?).map_err(failed)
}
