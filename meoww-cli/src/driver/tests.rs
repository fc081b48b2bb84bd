//! The driver on a real socket, in virtual time: the tests play the server and the partner.

use meoww_proto::{
    UserId,
    error::SignalErrorCode,
    signal::{ClientMessage, Relay, RelayPayload, ServerMessage, SignalError, Welcome},
};
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{Request, Response},
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use futures_util::{SinkExt, StreamExt};

use super::{media::Played, *};
use crate::{
    core::event::EndReason,
    sound::{AudioIn, AudioOut},
    testing::logged_in,
};

/// The server's side of one connection; dropped, it is gone without a word.
struct Server {
    orders: mpsc::Sender<Order>,
    /// Names of the client's events, or for chat lines their words.
    heard: mpsc::Receiver<String>,
    /// The path and query it was opened with.
    asked: String,
}

#[derive(Debug)]
enum Order {
    Say(Message),
    /// Read nothing any more, and say when that is so.
    FallSilent(oneshot::Sender<()>),
}

impl Server {
    #[expect(clippy::result_large_err, reason = "tungstenite asks for it")]
    #[expect(clippy::disallowed_methods, reason = "ended by the test")]
    async fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().await.expect("a client");
        // What waits for an acknowledgement (Nagle) waits in real time, while the virtual one flies.
        stream.set_nodelay(true).expect("set");
        let mut asked = String::new();
        let note = |request: &Request, response: Response| {
            asked = request.uri().to_string();
            Ok(response)
        };
        let socket = accept_hdr_async(stream, note).await.expect("a WebSocket");
        let ((orders, ordered), (hears, heard)) = (mpsc::channel(8), mpsc::channel(8));
        tokio::spawn(serve(socket, ordered, hears));
        Self { orders, heard, asked }
    }

    async fn say(&self, message: ServerMessage) {
        self.order(Order::Say(Message::text(message.encode()))).await;
    }

    async fn order(&self, order: Order) {
        self.orders.send(order).await.expect("it goes on");
    }

    async fn fall_silent(&self) {
        let (done, is_silent) = oneshot::channel();
        self.order(Order::FallSilent(done)).await;
        is_silent.await.expect("it goes on");
    }

    async fn welcome(&self, room_id: Option<RoomId>) {
        let user_id = UserId::from_bytes([7; 12]);
        self.say(ServerMessage::Welcome(Welcome { user_id, room_id })).await;
    }

    async fn refuse(&self, code: SignalErrorCode) {
        self.say(ServerMessage::Error(SignalError { code, message: "no".into() })).await;
    }

    async fn hears(&mut self) -> String {
        self.heard.recv().await.expect("it goes on")
    }
}

/// Reads all the while, or pings would go without an answer.
async fn serve(
    mut socket: WebSocketStream<TcpStream>,
    mut ordered: mpsc::Receiver<Order>,
    hears: mpsc::Sender<String>,
) {
    let mut is_silent = false;
    loop {
        tokio::select! {
            order = ordered.recv() => match order {
                Some(Order::Say(message)) => socket.send(message).await.expect("said"),
                Some(Order::FallSilent(done)) => {
                    is_silent = true;
                    let _ = done.send(());
                }
                None => return,
            },
            frame = socket.next(), if !is_silent => match frame {
                Some(Ok(Message::Text(text))) => {
                    let event = match ClientMessage::decode(&text).expect("an event") {
                        ClientMessage::Relay(Relay { payload: RelayPayload::Chat(text), .. }) => text,
                        other => other.parts().0.to_owned(),
                    };
                    let _ = hears.send(event).await;
                }
                Some(Ok(Message::Ping(_))) => socket.flush().await.expect("answered"),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
        }
    }
}

struct World {
    listener: TcpListener,
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<CallEvent>,
    calls: mpsc::Receiver<Played>,
    running: Running,
    _wanted: watch::Sender<Wanted>,
    _camera_on: watch::Sender<bool>,
    _folder: TempDir,
}

impl World {
    /// From here on, time passes when all wait for it.
    #[expect(clippy::disallowed_methods, reason = "ended by the test")]
    async fn start() -> (Self, Server) {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let api = Arc::new(logged_in(&listener, folder.path()));
        let (stake, link_stake) = watch::channel(Stake::default());
        let (link, server) = tokio::join!(Link::open(api, link_stake), Server::accept(&listener));
        let (commands, commanded) = mpsc::channel(QUEUE);
        let (told, events) = mpsc::channel(QUEUE);
        let (camera_on, camera_wanted) = watch::channel(true);
        let camera = camera::Switch::open(Camera::None, camera_wanted, told.clone()).await;
        let camera = camera.expect("no camera always opens");
        let ((shown, _), (wanted, wanted_out)) =
            (watch::channel(None), watch::channel(Wanted::ALL));
        let (local, drawn) = (camera.slot(), Arc::default());
        let (to_test, calls) = mpsc::channel(8);
        let silence =
            SoundConfig { input: AudioIn::None, output: AudioOut::None, ..SoundConfig::default() };
        let (sound, sound_events) = SoundSwitch::open_blocking(&silence).expect("no device");
        let driver = Driver {
            congestion_control: Default::default(),
            call: Call::default(),
            link: link.expect("a link"),
            network: Network::new(interfaces::addresses()),
            stake,
            ice: ice::Servers::none(),
            connector: Connector::Played(to_test),
            way: None,
            pictures: Pictures { local, shown, wanted: wanted_out, drawn },
            camera,
            sound,
            sound_events,
            told,
            open: None,
            closing: JoinSet::new(),
        };
        tokio::time::pause();
        server.welcome(None).await;
        let running = Running(tokio::spawn(driver.run(commanded)));
        let (_wanted, _camera_on, _folder) = (wanted, camera_on, folder);
        (Self { listener, commands, events, calls, running, _wanted, _camera_on, _folder }, server)
    }

    async fn does(&self, command: Command) {
        self.commands.send(command).await.expect("taken");
    }

    /// What the user is told next, but for the figures of each second.
    async fn told(&mut self) -> CallEvent {
        loop {
            match self.events.recv().await.expect("it goes on") {
                CallEvent::Stats(_) => {}
                event => return event,
            }
        }
    }

    /// Searches, and gets into a call.
    async fn call(&mut self, server: &mut Server) -> Played {
        self.does(Command::Search).await;
        assert_eq!(server.hears().await, "search");
        server.say(ServerMessage::Searching).await;
        assert_eq!(self.told().await, CallEvent::Searching);
        let (room_id, is_initiator) = (room(), true);
        server.say(ServerMessage::Matched(Matched { room_id, is_initiator })).await;
        assert_eq!(self.told().await, CallEvent::Matched { room_id, is_initiator });
        let played = self.calls.recv().await.expect("a connection");
        played.events.send(PeerEvent::Connected { relayed: false }).await.expect("taken");
        assert_eq!(self.told().await, CallEvent::Connected { relayed: false });
        played
    }

    /// Waits until the server is lost, and then found again at the same address.
    async fn comes_back(&mut self) -> Server {
        loop {
            tokio::select! {
                server = Server::accept(&self.listener) => return server,
                event = self.events.recv() => match event.expect("it goes on") {
                    CallEvent::ServerLost { .. } | CallEvent::Stats(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    async fn ends(self) -> Result<(), Error> {
        drop(self.commands);
        self.running.finish().await
    }
}

fn room() -> RoomId {
    "6f1c2f6e-2f0a-4a43-9a77-0d3b5b0f5c11".parse().expect("a room")
}

fn refused(code: SignalErrorCode) -> CallEvent {
    CallEvent::Refused { code, message: crate::text::SafeText::new("no") }
}

/// Whether the media connection is still there.
fn is_open(played: &mut Played) -> bool {
    matches!(played.signals.try_recv(), Err(mpsc::error::TryRecvError::Empty))
}

#[tokio::test]
async fn a_call_goes_on_without_its_server_and_takes_its_room_up_again() {
    let (mut world, mut server) = World::start().await;
    let mut played = world.call(&mut server).await;
    drop(server);
    assert!(matches!(world.told().await, CallEvent::ServerLost { .. }));
    world.does(Command::Chat("still there?".into())).await;
    played.events.send(PeerEvent::Camera { on: false }).await.expect("taken");
    assert_eq!(world.told().await, CallEvent::PartnerCamera { on: false });

    let mut server = world.comes_back().await;
    assert_eq!(server.asked, format!("/ws?resume={}", room()));
    server.welcome(Some(room())).await;
    assert_eq!(world.told().await, CallEvent::ServerBack);
    assert_eq!(server.hears().await, "still there?");
    let candidate = serde_json::value::RawValue::from_string("{}".into()).expect("JSON");
    let payload = RelayPayload::Candidate(candidate);
    server.say(ServerMessage::Signal(Relay { room_id: room(), payload })).await;
    assert!(matches!(played.signals.recv().await, Some(RelayPayload::Candidate(_))));

    let (ended, heard) = tokio::join!(world.ends(), server.hears());
    ended.expect("as the user wanted");
    assert_eq!(heard, "leave");
    assert!(played.signals.recv().await.is_none(), "closed");
}

#[tokio::test]
async fn a_call_outlives_a_server_that_came_back_without_it() {
    let (mut world, mut server) = World::start().await;
    let mut played = world.call(&mut server).await;
    drop(server);
    let server = world.comes_back().await;
    server.welcome(None).await;
    assert_eq!(world.told().await, CallEvent::ServerBack);
    assert!(
        matches!(world.told().await, CallEvent::Notice(text) if text.contains("video goes on"))
    );
    world.does(Command::Chat("still there?".into())).await;
    assert!(matches!(world.told().await, CallEvent::Notice(text) if text.starts_with("Not sent")));
    assert!(is_open(&mut played));
    played.events.send(PeerEvent::Bye).await.expect("taken");
    assert_eq!(world.told().await, CallEvent::Ended(EndReason::PeerLeft));
    world.ends().await.expect("as the user wanted");
}

/// It takes what is said, answers nothing, and does not hang up.
#[tokio::test]
async fn what_was_said_into_a_silent_link_is_said_again_when_it_is_back() {
    let (mut world, mut server) = World::start().await;
    let mut played = world.call(&mut server).await;
    server.fall_silent().await;
    world.does(Command::Chat("hello?".into())).await;

    let mut next = world.comes_back().await;
    assert_eq!(next.asked, format!("/ws?resume={}", room()));
    assert!(is_open(&mut played));
    next.welcome(Some(room())).await;
    assert_eq!(world.told().await, CallEvent::ServerBack);
    assert_eq!(next.hears().await, "hello?");
    let (ended, heard) = tokio::join!(world.ends(), next.hears());
    ended.expect("as the user wanted");
    assert_eq!(heard, "leave");
    drop(server);
}

#[tokio::test]
async fn a_search_that_another_window_took_over_can_be_begun_again() {
    let (mut world, mut server) = World::start().await;
    for code in [SignalErrorCode::TakenOver, SignalErrorCode::InCallElsewhere] {
        world.does(Command::Search).await;
        assert_eq!(server.hears().await, "search");
        server.refuse(code).await;
        assert_eq!(world.told().await, CallEvent::SearchEnded);
        assert_eq!(world.told().await, refused(code));
    }
    world.does(Command::Search).await;
    assert_eq!(server.hears().await, "search");
    world.ends().await.expect("as the user wanted");
}

#[tokio::test]
async fn a_window_whose_call_another_one_took_up_ends_it_and_does_not_come_back() {
    let (mut world, mut server) = World::start().await;
    let mut played = world.call(&mut server).await;
    server.refuse(SignalErrorCode::TakenOver).await;
    let frame = CloseFrame { code: CloseCode::Policy, reason: "taken-over".into() };
    server.order(Order::Say(Message::Close(Some(frame)))).await;
    assert_eq!(world.told().await, CallEvent::Ended(EndReason::Left));
    assert_eq!(world.told().await, refused(SignalErrorCode::TakenOver));
    assert!(played.signals.recv().await.is_none(), "closed");
    let ended = world.running.finish().await;
    assert!(matches!(ended, Err(Error::Displaced)), "{ended:?}");
}
