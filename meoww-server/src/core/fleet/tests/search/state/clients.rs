//! Clients of the small fleet.

use meoww_proto::RoomId;

use super::State;
use crate::core::{
    fleet::Input,
    lobby::{self, ConnId, Departure, SearchCriteria},
};

#[derive(Debug, Clone, Copy, Default, Hash)]
pub(super) struct Client {
    pub(super) is_searching: bool,
    pub(super) room: Option<(RoomId, ConnId)>,
}

impl State {
    pub(super) fn ask(&mut self, input: lobby::Input) {
        let (conn, client) = match input {
            lobby::Input::Search(conn, _) | lobby::Input::Skip(conn) => {
                (conn, Some(Client { is_searching: true, room: None }))
            }
            lobby::Input::Cancel(conn) | lobby::Input::Leave(conn) => {
                (conn, Some(Client::default()))
            }
            lobby::Input::Disconnect(conn, _) => (conn, None),
            other => panic!("{other:?} is not asked"),
        };
        match client {
            Some(client) => drop(self.clients.insert(conn, client)),
            None => drop(self.clients.remove(&conn)),
        }
        self.lobby(conn, input);
    }

    pub(super) fn lobby(&mut self, conn: ConnId, input: lobby::Input) {
        self.handle(conn.node().expect("of a node"), Input::Lobby(input));
    }

    /// A client is told something.
    pub(super) fn tell(&mut self, effect: lobby::Effect) {
        match effect {
            lobby::Effect::Matched { conn, room, partner, .. } => {
                let client = self.clients.get_mut(&conn).expect("connected");
                if !client.is_searching || client.room.is_some() {
                    self.fault = Some(format!("{conn:?} {client:?} is matched"));
                }
                if !self.held.contains(&(partner, room)) {
                    self.fault = Some(format!("{conn:?} meets one not held"));
                }
                *client = Client { is_searching: false, room: Some((room, partner)) };
            }
            lobby::Effect::RoomOver { conn, room } => {
                if let Some(client) = self.clients.get_mut(&conn) {
                    client.room.take_if(|(known, _)| *known == room);
                }
            }
            lobby::Effect::PartnerMoved { conn, partner, .. } => {
                if let Some((_, known)) =
                    self.clients.get_mut(&conn).and_then(|it| it.room.as_mut())
                {
                    *known = partner;
                }
            }
            lobby::Effect::Refused(conn, _) | lobby::Effect::Draining(conn) => {
                self.clients.get_mut(&conn).expect("connected").is_searching = false;
            }
            lobby::Effect::Welcome { .. }
            | lobby::Effect::Searching(_)
            | lobby::Effect::Displaced(_) => {}
        }
    }
}

/// What a client may ask for.
pub(super) fn asks(conn: ConnId, client: &Client) -> Vec<lobby::Input> {
    let lost = lobby::Input::Disconnect(conn, Departure::Lost);
    match client {
        Client { room: Some(_), .. } => {
            vec![lobby::Input::Skip(conn), lobby::Input::Leave(conn), lost]
        }
        Client { is_searching: true, .. } => vec![lobby::Input::Cancel(conn), lost],
        Client { .. } => vec![lobby::Input::Search(conn, SearchCriteria::default())],
    }
}
