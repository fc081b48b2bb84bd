mod any_order;

use serde_json::value::RawValue;
use uuid::Uuid;

use super::*;
use crate::core::event::{NoPicture, Reason};
use meoww_proto::{
    UserId,
    error::SignalErrorCode,
    signal::{Chat, Relay, Report, SignalError, Welcome},
};

fn room(n: u8) -> RoomId {
    RoomId::from_uuid(Uuid::from_u128(n.into()))
}

fn welcome(room_id: Option<RoomId>) -> Input {
    let user_id = UserId::from_bytes([7; 12]);
    Input::Server(ServerMessage::Welcome(Welcome { user_id, room_id }))
}

fn matched(n: u8) -> Input {
    Input::Server(ServerMessage::Matched(Matched { room_id: room(n), is_initiator: true }))
}

fn chat_from_peer(n: u8) -> Input {
    let (room_id, text) = (room(n), "meow".to_owned());
    Input::Server(ServerMessage::Chat(Chat { room_id, text, from_self: false }))
}

fn json() -> Box<RawValue> {
    RawValue::from_string("{}".into()).expect("valid JSON")
}

/// A call that is live in room 1.
fn live() -> Call {
    let mut call = Call::default();
    call.handle(welcome(None));
    call.handle(Input::Command(Command::Search));
    call.handle(matched(1));
    call.handle(Input::Peer(room(1), PeerEvent::Connected { relayed: false }));
    call
}

fn sends(effects: &[Effect]) -> Vec<&'static str> {
    let name = |effect: &Effect| match effect {
        Effect::Send(ClientMessage::Search(_)) => Some("search"),
        Effect::Send(ClientMessage::Cancel) => Some("cancel"),
        Effect::Send(ClientMessage::Skip) => Some("skip"),
        Effect::Send(ClientMessage::Leave) => Some("leave"),
        Effect::Send(ClientMessage::Relay(_)) => Some("relay"),
        Effect::Send(ClientMessage::Block { .. }) => Some("block"),
        Effect::Send(ClientMessage::Mismatch { .. }) => Some("mismatch"),
        Effect::Send(ClientMessage::Report(_)) => Some("report"),
        Effect::Reconnect => Some("reconnect"),
        _ => None,
    };
    effects.iter().filter_map(name).collect()
}

fn ended(effects: &[Effect]) -> Option<EndReason> {
    effects.iter().find_map(|effect| match effect {
        Effect::Tell(CallEvent::Ended(reason)) => Some(*reason),
        _ => None,
    })
}

#[test]
fn a_search_before_the_first_welcome_is_said_at_the_welcome() {
    let mut call = Call::default();
    assert!(call.handle(Input::Command(Command::Search)).is_empty());
    assert_eq!(sends(&call.handle(welcome(None))), ["search"]);
}

#[test]
fn skip_closes_the_peer_before_it_asks_for_the_next() {
    let effects = live().handle(Input::Command(Command::Skip));
    assert!(matches!(
        effects[..],
        [
            Effect::ClosePeer,
            Effect::Tell(CallEvent::Ended(EndReason::Left)),
            Effect::Send(ClientMessage::Skip)
        ]
    ));
}

#[test]
fn a_match_that_crossed_a_cancel_is_left() {
    let mut call = Call::default();
    call.handle(welcome(None));
    call.handle(Input::Command(Command::Search));
    assert_eq!(sends(&call.handle(Input::Command(Command::Leave))), ["cancel"]);
    assert_eq!(sends(&call.handle(matched(1))), ["leave"]);
    assert_eq!(call.room(), None);
}

#[test]
fn a_live_call_outlives_the_link_and_a_server_that_forgot_it() {
    let mut call = live();
    call.handle(Input::LinkDown(Duration::from_secs(1)));
    assert_eq!(call.room(), Some(room(1)));
    assert_eq!(ended(&call.handle(welcome(None))), None);
    assert_eq!(call.room(), Some(room(1)));
    let effects = call.handle(Input::Command(Command::Chat("hi".into())));
    assert!(matches!(effects[..], [Effect::Tell(CallEvent::Notice(_))]));
}

#[test]
fn words_said_while_the_link_is_lost_are_said_when_the_room_is_taken_up_again() {
    let mut call = live();
    call.handle(Input::LinkDown(Duration::from_secs(1)));
    assert!(sends(&call.handle(Input::Command(Command::Chat("one".into())))).is_empty());
    assert!(
        sends(&call.handle(Input::Peer(room(1), PeerEvent::LocalCandidate(json())))).is_empty()
    );
    assert_eq!(sends(&call.handle(welcome(Some(room(1))))), ["relay", "relay"]);
}

#[test]
fn what_waits_for_the_link_is_bounded_and_the_user_is_told() {
    let mut call = live();
    call.handle(Input::LinkDown(Duration::from_secs(1)));
    let told = (0..1000).filter(|_| {
        let effects = call.handle(Input::Command(Command::Chat("meow".into())));
        matches!(effects[..], [Effect::Tell(CallEvent::Notice(_))])
    });
    assert_eq!(told.count(), 1000 - 64);
    assert_eq!(sends(&call.handle(welcome(Some(room(1))))).len(), 64);
}

#[test]
fn a_negotiation_the_server_forgot_has_failed() {
    let mut call = Call::default();
    call.handle(welcome(None));
    call.handle(Input::Command(Command::Search));
    call.handle(matched(1));
    call.handle(Input::LinkDown(Duration::from_secs(1)));
    assert_eq!(ended(&call.handle(welcome(None))), Some(EndReason::ConnectFailed));
}

#[test]
fn a_skip_while_the_link_is_lost_is_said_when_it_is_back() {
    let mut call = live();
    call.handle(Input::LinkDown(Duration::from_secs(1)));
    assert_eq!(ended(&call.handle(Input::Command(Command::Skip))), Some(EndReason::Left));
    // The terms of the search are not known to a new connection.
    assert_eq!(sends(&call.handle(welcome(Some(room(1))))), ["leave", "search"]);
    call.handle(matched(2));
    assert_eq!(sends(&call.handle(Input::Command(Command::Skip))), ["skip"]);
}

#[test]
fn how_a_call_ended_is_told_apart() {
    let peer = |event| live().handle(Input::Peer(room(1), event));
    assert_eq!(ended(&peer(PeerEvent::Bye)), Some(EndReason::PeerLeft));
    assert_eq!(ended(&peer(PeerEvent::Failed("gone".into()))), Some(EndReason::PeerLost));
    let gone = Input::Server(ServerMessage::PeerDisconnected { room_id: room(1) });
    assert_eq!(ended(&live().handle(gone)), Some(EndReason::PeerLeft));
}

#[test]
fn a_search_taken_over_by_another_terminal_ends_here() {
    let mut call = Call::default();
    call.handle(welcome(None));
    call.handle(Input::Command(Command::Search));
    let code = SignalErrorCode::TakenOver;
    let error = SignalError { code, message: "x".into() };
    let told = call.handle(says(ServerMessage::Error(error)));
    assert!(matches!(
        told[..],
        [Effect::Tell(CallEvent::SearchEnded), Effect::Tell(CallEvent::Refused { .. })]
    ));
    assert_eq!(sends(&call.handle(matched(1))), ["leave"]);
    assert_eq!(sends(&call.handle(Input::Command(Command::Search))), ["search"]);
}

fn chats(effects: &[Effect]) -> Vec<&str> {
    let text = |effect| match effect {
        &Effect::Send(ClientMessage::Relay(Relay {
            payload: RelayPayload::Chat(ref text),
            ..
        })) => Some(&**text),
        _ => None,
    };
    effects.iter().filter_map(text).collect()
}

#[test]
fn words_said_into_a_dead_link_are_said_again() {
    let mut call = live();
    let say = |call: &mut Call, text: &str| {
        let effects = call.handle(Input::Command(Command::Chat(text.into())));
        chats(&effects).iter().map(|&text| text.to_owned()).collect::<Vec<_>>()
    };
    for text in ["refused", "heard", "one", "two"] {
        assert_eq!(say(&mut call, text), [text]);
    }
    let heard = Chat { room_id: room(1), text: "heard".into(), from_self: true };
    call.handle(says(ServerMessage::Chat(heard)));
    call.handle(Input::LinkDown(Duration::from_secs(1)));
    assert!(say(&mut call, "three").is_empty());
    assert_eq!(chats(&call.handle(welcome(Some(room(1))))), ["one", "two", "three"]);
    // Nor does a second loss, or the next room, change that.
    call.handle(Input::LinkDown(Duration::from_secs(1)));
    assert_eq!(chats(&call.handle(welcome(Some(room(1))))), ["one", "two", "three"]);
    call.handle(Input::Command(Command::Skip));
    call.handle(matched(2));
    call.handle(Input::LinkDown(Duration::from_secs(1)));
    assert!(chats(&call.handle(welcome(Some(room(2))))).is_empty());
}

fn reason() -> Reason {
    "rude".parse().expect("a reason")
}

fn says(message: ServerMessage) -> Input {
    Input::Server(message)
}

#[test]
fn every_search_says_its_terms() {
    let tags = vec!["rust".parse().expect("a tag")];
    let terms = Search { tags, wait_seconds: Some(20) };
    let mut call = Call::new(terms.clone());
    call.handle(Input::Command(Command::Search));
    for _ in 0..2 {
        let effects = call.handle(welcome(None));
        assert!(
            matches!(&effects[..], [.., Effect::Send(ClientMessage::Search(s))] if *s == terms)
        );
        call.handle(Input::LinkDown(Duration::from_secs(1)));
    }
    call.handle(welcome(None));
    call.handle(matched(1));
    let gone = ServerMessage::PeerDisconnected { room_id: room(1) };
    call.handle(says(gone));
    let effects = call.handle(Input::Command(Command::Search));
    assert!(matches!(&effects[..], [Effect::Send(ClientMessage::Search(s))] if *s == terms));
}

#[test]
fn a_block_ends_the_call_and_looks_for_the_next() {
    let mut call = live();
    let effects = call.handle(Input::Command(Command::Block));
    assert_eq!((sends(&effects), ended(&effects)), (vec!["block", "skip"], Some(EndReason::Left)));
    let told = call.handle(says(ServerMessage::Blocked { room_id: room(1) }));
    assert!(matches!(told[..], [Effect::Tell(CallEvent::Blocked { .. })]));
}

#[test]
fn a_report_goes_on_with_the_call() {
    let mut call = live();
    let effects = call.handle(Input::Command(Command::Report(reason())));
    assert!(matches!(
        &effects[..],
        [Effect::Send(ClientMessage::Report(report))]
            if report.room_id == room(1) && report.reason == "rude"
    ));
    assert_eq!(call.room(), Some(room(1)));
}

#[test]
fn who_just_left_can_be_blocked_and_reported() {
    let mut call = live();
    call.handle(says(ServerMessage::PeerDisconnected { room_id: room(1) }));
    let effects = call.handle(Input::Command(Command::Block));
    assert!(
        matches!(effects[..], [Effect::Send(ClientMessage::Block { room_id })] if room_id == room(1))
    );
    assert_eq!(sends(&call.handle(Input::Command(Command::Report(reason())))), ["report"]);
}

#[test]
fn nobody_can_be_blocked_before_anybody_was_met() {
    let effects = Call::default().handle(Input::Command(Command::Block));
    assert!(matches!(effects[..], [Effect::Tell(CallEvent::Notice(_))]));
}

#[test]
fn a_block_while_the_link_is_lost_is_said_when_it_is_back() {
    let mut call = live();
    call.handle(Input::LinkDown(Duration::from_secs(1)));
    let effects = call.handle(Input::Command(Command::Block));
    assert_eq!((sends(&effects), ended(&effects)), (vec![], Some(EndReason::Left)));
    assert_eq!(call.resume(), Some(room(1)), "or the server would not know whom");
    assert_eq!(sends(&call.handle(welcome(Some(room(1))))), ["block", "leave", "search"]);
    assert_eq!(call.resume(), None);
}

#[test]
fn a_block_the_server_knows_no_room_for_is_told() {
    let refusal = || {
        let error = SignalError { code: SignalErrorCode::WrongRoom, message: "no".into() };
        Input::Server(ServerMessage::Error(error))
    };
    let mut call = live();
    assert!(call.handle(refusal()).is_empty(), "late words are nothing to tell");
    call.handle(Input::Command(Command::Block));
    assert!(matches!(call.handle(refusal())[..], [Effect::Tell(CallEvent::Refused { .. })]));
    assert!(call.handle(refusal()).is_empty());
}

#[test]
fn what_was_not_passed_on_is_told_unless_nothing_is_missing() {
    let refusal = |code| {
        let error = SignalError { code, message: "no".into() };
        Input::Server(ServerMessage::Error(error))
    };
    let mut call = live();
    for code in [SignalErrorCode::PartnerAway, SignalErrorCode::PartnerSlow] {
        let effects = call.handle(refusal(code));
        assert!(matches!(
            effects[..],
            [Effect::Tell(CallEvent::Refused { code: told, .. })] if told == code
        ));
    }
    assert!(call.handle(refusal(SignalErrorCode::StaleCandidate)).is_empty());
}

#[test]
fn a_server_about_to_go_is_left_once_no_call_needs_it() {
    let draining = || says(ServerMessage::Draining { seconds: 60 });
    let mut idle = Call::default();
    idle.handle(welcome(None));
    assert_eq!(sends(&idle.handle(draining())), ["reconnect"]);

    let mut call = live();
    assert!(sends(&call.handle(draining())).is_empty());
    assert_eq!(sends(&call.handle(Input::Command(Command::Skip))), ["skip", "reconnect"]);
    call.handle(Input::LinkDown(Duration::from_secs(1)));
    assert_eq!(sends(&call.handle(welcome(None))), ["search"]);
}

#[test]
fn without_pictures_the_call_goes_on_and_says_why() {
    let mut call = live();
    let large = NoPicture::TooLarge { width: 3840, height: 2160 };
    let effects = call.handle(Input::Peer(room(1), PeerEvent::NoPicture(large)));
    let [Effect::Tell(CallEvent::NoPicture(why))] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(why.to_string(), "The partner's picture of 3840x2160 is too large to be shown.");
    assert_eq!(call.room(), Some(room(1)));
    let effects = call.handle(Input::Peer(room(1), PeerEvent::Camera { on: false }));
    assert!(matches!(effects[..], [Effect::Tell(CallEvent::PartnerCamera { on: false })]));
    let effects = call.handle(Input::Peer(room(2), PeerEvent::Camera { on: false }));
    assert!(effects.is_empty(), "of another room");
}

#[test]
fn a_partner_that_cannot_be_seen_is_not_to_be_met_again_soon() {
    let mut call = live();
    for (why, said) in [(NoPicture::NotSent, vec![]), (NoPicture::NoCommonCodec, vec!["mismatch"])]
    {
        let effects = call.handle(Input::Peer(room(1), PeerEvent::NoPicture(why)));
        assert_eq!((sends(&effects), ended(&effects)), (said, None), "{why:?}");
    }

    let failed = || Input::Peer(room(1), PeerEvent::Failed("no way".into()));
    let mut call = Call::default();
    call.handle(welcome(None));
    call.handle(Input::Command(Command::Search));
    call.handle(matched(1));
    assert_eq!(sends(&call.handle(failed())), ["mismatch", "leave"]);
    assert_eq!(sends(&live().handle(failed())), ["leave"], "they saw each other");
}
