//! What an operator types, one file a command.
//!
//! A command that asks about accounts or the lobby is an [`AdminRequest`]: a request that one function
//! answers, inside the running server (`socket`) or, when none runs, here with the database opened
//! for the purpose (`client`). What concerns all servers of a fleet, the one that is asked asks the
//! others (`nodes`).

pub(crate) mod client;
pub(crate) mod configuration;
pub(crate) mod db;
pub(crate) mod documents;
pub(crate) mod drain;
pub(crate) mod failure;
pub(crate) mod lobby;
pub(crate) mod mail;
pub(crate) mod nodes;
pub(crate) mod output;
pub(crate) mod protocol;
pub(crate) mod report;
pub(crate) mod socket;
pub(crate) mod stats;
pub(crate) mod turn;
pub(crate) mod user;

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};

use self::failure::Problem;
use crate::services::Services;

/// Something an operator asks. Both it and its answer travel as JSON.
pub(crate) trait AdminRequest: Serialize + DeserializeOwned + Send {
    /// What it is called on the socket.
    const NAME: &'static str;
    /// What must be there before it can be asked.
    const NEEDS: Needs = Needs::Database;
    /// What comes back.
    type Answer: Serialize + DeserializeOwned + Send;

    /// Answers it.
    fn answer(self, desk: &Desk) -> impl Future<Output = Result<Self::Answer, Problem>> + Send;
}

/// What a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// A data directory, which is made if it is not there.
    DataDirectory,
    /// Likewise; and if its database was lost, another is begun.
    PlaceForDatabase,
    /// A database that somebody has made.
    Database,
    /// A server that runs.
    Server,
}

/// Where commands are answered.
pub(crate) struct Desk {
    pub(crate) services: Arc<Services>,
    /// Whether this is the running server, with people connected to it.
    pub(crate) is_serving: bool,
}
