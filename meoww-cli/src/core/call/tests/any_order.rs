//! Whatever happens, in any order.

use proptest::prelude::*;

use super::*;

fn input() -> impl Strategy<Value = Input> {
    let n = 1..4_u8;
    prop_oneof![
        4 => Just(()).prop_map(|()| Input::Command(Command::Search)),
        2 => Just(()).prop_map(|()| Input::Command(Command::Skip)),
        1 => Just(()).prop_map(|()| Input::Command(Command::Leave)),
        2 => Just(()).prop_map(|()| Input::Command(Command::Chat("hello".into()))),
        1 => Just(()).prop_map(|()| Input::Command(Command::Block)),
        1 => Just(()).prop_map(|()| Input::Command(Command::Report(reason()))),
        1 => Just(()).prop_map(|()| says(ServerMessage::Draining { seconds: 9 })),
        2 => proptest::option::of(n.clone()).prop_map(|n| welcome(n.map(room))),
        1 => Just(()).prop_map(|()| Input::LinkDown(Duration::from_secs(1))),
        4 => n.clone().prop_map(matched),
        2 => n.clone().prop_map(chat_from_peer),
        1 => n.clone().prop_map(|n| Input::Server(ServerMessage::PeerDisconnected {
            room_id: room(n)
        })),
        1 => n.clone().prop_map(|n| Input::Server(ServerMessage::Signal(Relay {
            room_id: room(n),
            payload: RelayPayload::Offer(json())
        }))),
        2 => n.clone().prop_map(|n| Input::Peer(room(n), PeerEvent::LocalOffer(json()))),
        2 => n.clone().prop_map(|n| Input::Peer(room(n), PeerEvent::Connected { relayed: false })),
        1 => n.clone().prop_map(|n| {
            Input::Peer(room(n), PeerEvent::NoPicture(NoPicture::NoCommonCodec))
        }),
        1 => n.clone().prop_map(|n| Input::Peer(room(n), PeerEvent::Bye)),
        1 => n.prop_map(|n| Input::Peer(room(n), PeerEvent::Failed("no".into()))),
    ]
}

proptest! {
    /// Whatever happens in whatever order: one media connection at a time, opened and closed in
    /// turn; nothing applied, said or shown outside of the room it belongs to; nothing sent on a
    /// link that is down; no call is left for another server; what is blocked or reported is where
    /// one is or last was.
    #[test]
    fn rooms_never_mix(inputs in proptest::collection::vec(input(), 1..80)) {
        let mut call = Call::default();
        let (mut open, mut last, mut up) = (None, Vec::new(), false);
        for input in inputs {
            match &input {
                Input::Server(ServerMessage::Welcome(_)) => up = true,
                Input::LinkDown(_) => up = false,
                _ => {}
            }
            let of_room = match &input {
                Input::Server(ServerMessage::Signal(relay)) => Some(relay.room_id),
                Input::Server(ServerMessage::Chat(chat)) => Some(chat.room_id),
                _ => None,
            };
            for effect in call.handle(input) {
                match effect {
                    Effect::OpenPeer(matched) => {
                        prop_assert_eq!(open, None, "two media connections at once");
                        open = Some(matched.room_id);
                        last.push(matched.room_id);
                    }
                    Effect::ClosePeer => prop_assert!(open.take().is_some(), "closed twice"),
                    Effect::Apply(_) | Effect::Tell(CallEvent::Message { .. }) => {
                        prop_assert!(open.is_some() && of_room == open, "a word of another room");
                    }
                    Effect::Send(message) => {
                        prop_assert!(up, "said into a dead link");
                        match message {
                            ClientMessage::Relay(relay) => {
                                prop_assert_eq!(Some(relay.room_id), open, "said to another room");
                            }
                            ClientMessage::Block { room_id }
                            | ClientMessage::Mismatch { room_id }
                            | ClientMessage::Report(Report { room_id, .. }) => {
                                prop_assert!(last.contains(&room_id), "a room never been in");
                            }
                            _ => {}
                        }
                    }
                    Effect::Reconnect => prop_assert!(up && open.is_none(), "a call was left"),
                    Effect::GoDirect => prop_assert!(open.is_some(), "nothing to go direct"),
                    Effect::Mute(_) | Effect::Tell(_) | Effect::Quit => {}
                }
            }
            prop_assert_eq!(call.room(), open, "the room is where the media is");
        }
    }
}
