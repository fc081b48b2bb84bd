//! The messages to the hub's task, from connections, operators and the rest of the server.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use meoww_proto::{RoomId, UserId, error::SignalErrorCode, signal::Presence};
use time::OffsetDateTime;
use tokio::sync::oneshot;

use super::Question;
use crate::{
    core::{
        fleet::NodeId,
        lobby::{ConnId, Counts, Input},
        safety::BlockList,
        session::SessionId,
    },
    metrics::FleetFigures,
    send_queue::SendQueue,
    tokens::Bearer,
};

/// A message to the hub's task.
pub(super) enum HubMessage {
    Connected {
        conn: ConnId,
        bearer: Bearer,
        resumption: Resumption,
        send_queue: SendQueue,
    },
    Happened(Input),
    /// From a connection that waits to hear what became of it.
    Asked(ConnId, Input, oneshot::Sender<Result<(), SignalErrorCode>>),
    Close {
        selector: ConnectionSelector,
        reason: SignalErrorCode,
    },
    /// Without a word to other nodes.
    CloseAllBut {
        user: UserId,
        live: Vec<SessionId>,
        reason: SignalErrorCode,
    },
    Broadcast(Arc<str>),
    Drain(Duration),
    Count(oneshot::Sender<Counts>),
    Describe(oneshot::Sender<Standing>),
    ListRooms(RoomsAfter, oneshot::Sender<Vec<OpenRoom>>),
    OfThese(BTreeSet<UserId>, oneshot::Sender<BTreeSet<UserId>>),
    /// The blocks of a user, as the database has them.
    Blocks {
        user: UserId,
        list: BlockList,
    },
    ListNodes(oneshot::Sender<Vec<NodeId>>),
    AskNode(NodeId, String, oneshot::Sender<String>),
    AnswerNode(Question, String),
    #[cfg(test)]
    Fail,
}

/// Whether a client can take up its room on another connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resumption {
    /// It cannot: its room ends with its connection.
    Unsupported,
    /// It can, and takes up this room now.
    Supported(Option<RoomId>),
}

/// How things stand with this node of a fleet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Users on all nodes, and how many of them are in the queue.
    pub(crate) presence: Presence,
    /// Whether it matches for all.
    pub(crate) is_matching: bool,
    /// Whether it has clients go to another node, of which there is one.
    pub(crate) is_evacuating: bool,
    /// Whether a member of a room is here, or may only come back here.
    pub(crate) has_rooms: bool,
    /// Other nodes it has a link to.
    pub(crate) peers: usize,
    /// The round of the term it follows.
    pub(crate) round: u64,
}

impl Standing {
    /// For those who watch it.
    pub(crate) fn figures(self) -> FleetFigures {
        let Presence { online, searching } = self.presence;
        let matching = self.is_matching.then_some([online, searching]);
        FleetFigures { peers: self.peers, round: self.round, matching }
    }
}

/// Which rooms to list: the first so many after this one, in the order of their ids.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoomsAfter {
    pub(crate) after: Option<RoomId>,
    pub(crate) limit: usize,
}

/// A room, for the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenRoom {
    pub(crate) room: RoomId,
    pub(crate) members: [UserId; 2],
    /// When the two were matched.
    pub(crate) since: OffsetDateTime,
}

/// Which connections of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionSelector {
    /// All of them.
    User(UserId),
    /// Those of one session.
    Session(Bearer),
    /// Those of every session but one.
    OtherSessions(Bearer),
}

impl ConnectionSelector {
    pub(super) fn user(self) -> UserId {
        match self {
            Self::User(user) => user,
            Self::Session(bearer) | Self::OtherSessions(bearer) => bearer.user,
        }
    }

    pub(super) fn includes(self, session: SessionId) -> bool {
        match self {
            Self::User(_) => true,
            Self::Session(bearer) => session == bearer.session,
            Self::OtherSessions(bearer) => session != bearer.session,
        }
    }
}
