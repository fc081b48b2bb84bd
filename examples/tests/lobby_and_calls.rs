//! The lobby and the call machine against each other, in random order and without a network:
//! nobody in two rooms, nobody lost, nothing delivered across rooms.
#![expect(clippy::disallowed_methods, reason = "a virtual clock has to start somewhere")]

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use meoww_cli::core::{
    call::{Call, Effect as CallEffect, Input as CallInput},
    event::{CallEvent, Command, PeerEvent},
};
use meoww_proto::{
    RoomId, UserId,
    signal::{
        Chat, ClientMessage, Matched, Relay, RelayPayload, ServerMessage, SignalError, Welcome,
    },
};
use meoww_server::core::lobby::{ConnId, Departure, Effect, Input, Lobby, SearchCriteria};
use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};

const USERS: usize = 4;
/// Longer than a lease and than partners who just parted wait.
const LONG: Duration = Duration::from_secs(60);

/// A connection, as the server's end of a socket keeps it.
struct Connection {
    client: usize,
    room: Option<(RoomId, Option<ConnId>)>,
    /// To the client. What a real connection would hold back is the client's to drop here.
    outbox: VecDeque<ServerMessage>,
}

#[derive(Default)]
struct Client {
    call: Call,
    connection: Option<ConnId>,
    said: VecDeque<ClientMessage>,
    /// The room whose media connection is open.
    media: Option<RoomId>,
}

struct World {
    lobby: Lobby,
    rng: StdRng,
    now: Instant,
    clients: [Client; USERS],
    connections: HashMap<ConnId, Connection>,
    next_connection: u64,
}

#[derive(Debug, Clone)]
enum Step {
    User(usize, Command),
    /// One message of the client reaches the server.
    Up(usize),
    /// One message of the server reaches the client.
    Down(usize),
    MediaConnects(usize),
    LinkBreaks(usize),
    LinkReturns(usize),
    ServerCrashes,
    TimePasses(Duration),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..USERS;
    let command = prop_oneof![
        4 => Just(Command::Search),
        2 => Just(Command::Skip),
        1 => Just(Command::Leave),
        3 => Just(Command::Chat(String::new())),
    ];
    prop_oneof![
        20 => (who.clone(), command).prop_map(|(who, command)| Step::User(who, command)),
        30 => who.clone().prop_map(Step::Up),
        40 => who.clone().prop_map(Step::Down),
        8 => who.clone().prop_map(Step::MediaConnects),
        4 => who.clone().prop_map(Step::LinkBreaks),
        8 => who.prop_map(Step::LinkReturns),
        1 => Just(Step::ServerCrashes),
        3 => (1..20_u64).prop_map(|seconds| Step::TimePasses(Duration::from_secs(seconds))),
    ]
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            lobby: Lobby::default(),
            rng: StdRng::seed_from_u64(seed),
            now: Instant::now(),
            clients: Default::default(),
            connections: HashMap::new(),
            next_connection: 0,
        };
        (0..USERS).for_each(|who| world.connect(who));
        world
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::User(who, Command::Chat(_)) => {
                // Says who says it and where, so that the reader can tell.
                let room = self.clients[who].call.room();
                let text = room.map_or_else(String::new, |room| format!("{who}@{room}"));
                self.client(who, CallInput::Command(Command::Chat(text)));
            }
            Step::User(who, command) => self.client(who, CallInput::Command(command)),
            Step::Up(who) => self.up(who),
            Step::Down(who) => self.down(who),
            Step::MediaConnects(who) => {
                if let Some(room) = self.clients[who].media
                    && self.other_end(who, room).is_some()
                {
                    let connected = PeerEvent::Connected { relayed: false };
                    self.client(who, CallInput::Peer(room, connected));
                }
            }
            Step::LinkBreaks(who) => self.disconnect(who, true),
            Step::LinkReturns(who) => self.connect(who),
            Step::ServerCrashes => {
                (0..USERS).for_each(|who| self.disconnect(who, false));
                self.lobby = Lobby::default();
            }
            Step::TimePasses(time) => {
                self.now += time;
                self.lobby(Input::Timeout);
            }
        }
    }

    fn connect(&mut self, who: usize) {
        if self.clients[who].connection.is_some() {
            return;
        }
        let conn = ConnId(self.next_connection);
        self.next_connection += 1;
        self.clients[who].connection = Some(conn);
        let outbox = VecDeque::new();
        self.connections.insert(conn, Connection { client: who, room: None, outbox });
        let resume = self.clients[who].call.resume();
        self.lobby(Input::Connect { conn, user: user(who), resume });
    }

    fn disconnect(&mut self, who: usize, tell_lobby: bool) {
        let Some(conn) = self.clients[who].connection.take() else { return };
        self.connections.remove(&conn);
        self.clients[who].said.clear();
        self.client(who, CallInput::LinkDown(Duration::ZERO));
        if tell_lobby {
            self.lobby(Input::Disconnect(conn, Departure::Lost));
        }
    }

    fn up(&mut self, who: usize) {
        let Some(conn) = self.clients[who].connection else { return };
        let Some(message) = self.clients[who].said.pop_front() else { return };
        match message {
            ClientMessage::Search(search) => {
                self.lobby(Input::Search(conn, SearchCriteria::from(&search)));
            }
            ClientMessage::Cancel => self.lobby(Input::Cancel(conn)),
            ClientMessage::Skip => self.lobby(Input::Skip(conn)),
            ClientMessage::Leave => self.lobby(Input::Leave(conn)),
            ClientMessage::Block { .. }
            | ClientMessage::Mismatch { .. }
            | ClientMessage::Report(_) => {}
            ClientMessage::Relay(Relay { room_id, payload }) => {
                let Some((room, Some(partner))) = self.connections[&conn].room else { return };
                let RelayPayload::Chat(text) = payload else { return };
                if room == room_id
                    && let Some(partner) = self.connections.get_mut(&partner)
                {
                    let chat = ServerMessage::Chat(Chat { room_id, text, from_self: false });
                    partner.outbox.push_back(chat);
                }
            }
        }
    }

    fn down(&mut self, who: usize) {
        let Some(conn) = self.clients[who].connection else { return };
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        let Some(message) = connection.outbox.pop_front() else { return };
        self.client(who, CallInput::Server(message));
    }

    fn lobby(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.lobby.handle(input, self.now, &mut self.rng, &mut effects);
        for effect in effects {
            match effect {
                Effect::Welcome { conn, user, resumed } => {
                    let connection = self.connections.get_mut(&conn).expect("connected");
                    connection.room = resumed.map(|resumed| (resumed.room, resumed.partner));
                    let welcome =
                        Welcome { user_id: user, room_id: resumed.map(|resumed| resumed.room) };
                    connection.outbox.push_back(ServerMessage::Welcome(welcome));
                }
                Effect::Searching(conn) => self.tell(conn, ServerMessage::Searching),
                Effect::Matched { conn, room, is_initiator, partner, .. } => {
                    let connection = self.connections.get_mut(&conn).expect("connected");
                    assert_eq!(connection.room, None, "in two rooms");
                    assert_ne!(conn, partner, "alone in a room");
                    connection.room = Some((room, Some(partner)));
                    let matched = Matched { room_id: room, is_initiator };
                    self.tell(conn, ServerMessage::Matched(matched));
                }
                Effect::PartnerMoved { conn, room, partner } => {
                    let connection = self.connections.get_mut(&conn).expect("connected");
                    connection.room = Some((room, Some(partner)));
                }
                Effect::RoomOver { conn, room } => {
                    let connection = self.connections.get_mut(&conn).expect("connected");
                    if connection.room.is_some_and(|(id, _)| id == room) {
                        connection.room = None;
                    }
                    self.tell(conn, ServerMessage::PeerDisconnected { room_id: room });
                }
                Effect::Refused(conn, code) => {
                    let error = SignalError { code, message: String::new() };
                    self.tell(conn, ServerMessage::Error(error));
                }
                Effect::Draining(_) => panic!("nobody drains it"),
                Effect::Displaced(conn) => {
                    let who = self.connections[&conn].client;
                    self.disconnect(who, false);
                }
            }
        }
    }

    fn tell(&mut self, conn: ConnId, message: ServerMessage) {
        let connection = self.connections.get_mut(&conn).expect("the lobby tells the connected");
        connection.outbox.push_back(message);
    }

    fn client(&mut self, who: usize, input: CallInput) {
        for effect in self.clients[who].call.handle(input) {
            match effect {
                CallEffect::Send(message) => {
                    assert!(self.clients[who].connection.is_some(), "said into a dead link");
                    self.clients[who].said.push_back(message);
                }
                CallEffect::OpenPeer(matched) => {
                    assert_eq!(self.clients[who].media, None, "two media connections");
                    self.clients[who].media = Some(matched.room_id);
                }
                CallEffect::ClosePeer => self.close_media(who),
                CallEffect::Tell(CallEvent::Message { text, .. }) => {
                    self.check_heard(who, text.as_str())
                }
                CallEffect::Reconnect => self.disconnect(who, true),
                CallEffect::Apply(_)
                | CallEffect::GoDirect
                | CallEffect::Mute(_)
                | CallEffect::Tell(_)
                | CallEffect::Quit => {}
            }
        }
    }

    /// The goodbye reaches the other end at once; goodbyes that are lost are what links that break
    /// and rooms that end stand for.
    fn close_media(&mut self, who: usize) {
        let room = self.clients[who].media.take().expect("open");
        if let Some(other) = self.other_end(who, room) {
            self.client(other, CallInput::Peer(room, PeerEvent::Bye));
        }
    }

    fn other_end(&self, who: usize, room: RoomId) -> Option<usize> {
        (0..USERS).find(|&other| other != who && self.clients[other].media == Some(room))
    }

    fn check_heard(&self, who: usize, text: &str) {
        let (speaker, room) = text.split_once('@').expect("speaker and room");
        assert_ne!(speaker, who.to_string(), "heard oneself");
        let here = self.clients[who].call.room().map(|room| room.to_string());
        assert_eq!(Some(room), here.as_deref(), "heard another room");
    }

    /// All links up, all words delivered, everybody looking for somebody.
    fn settle(&mut self) {
        for _ in 0..3 {
            for who in 0..USERS {
                self.take(Step::LinkReturns(who));
                self.take(Step::User(who, Command::Search));
            }
            self.deliver_all();
            self.take(Step::TimePasses(LONG));
            self.deliver_all();
        }
    }

    fn deliver_all(&mut self) {
        let is_quiet = |world: &Self| {
            world.clients.iter().all(|client| client.said.is_empty())
                && world.connections.values().all(|connection| connection.outbox.is_empty())
        };
        while !is_quiet(self) {
            (0..USERS).for_each(|who| self.take(Step::Up(who)));
            (0..USERS).for_each(|who| self.take(Step::Down(who)));
        }
    }
}

fn user(who: usize) -> UserId {
    UserId::from_bytes([who as u8; 12])
}

proptest! {
    #[test]
    fn whatever_happens_everybody_finds_somebody(
        seed: u64,
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let mut world = World::new(seed);
        for step in steps {
            world.take(step);
        }
        world.settle();
        let mut members: HashMap<RoomId, Vec<usize>> = HashMap::new();
        for (who, client) in world.clients.iter().enumerate() {
            let room = client.call.room();
            prop_assert_eq!(room, client.media, "a room without media");
            prop_assert!(room.is_some(), "{} was lost", who);
            members.entry(room.expect("just seen")).or_default().push(who);
        }
        for (room, members) in members {
            prop_assert_eq!(members.len(), 2, "{:?} has {:?}", room, members);
        }
    }
}
