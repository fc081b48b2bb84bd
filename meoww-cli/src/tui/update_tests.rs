#[path = "update_chat_tests.rs"]
mod chat;
#[path = "update_safety_tests.rs"]
mod safety;

use crossterm::event::{KeyCode, KeyModifiers};
use meoww_proto::{RoomId, error::SignalErrorCode, signal::Presence};
use proptest::prelude::*;

use super::*;
use crate::{
    core::event::{NoPicture, Stats},
    tui::{chat::ChatLine, sound::Microphone},
};

const AT: Duration = Duration::from_secs(7);

fn state() -> State {
    State::new(Size::new(100, 30), true, true, Sound::new(Microphone::Open))
}

fn phases() -> [Phase; 5] {
    let since = Duration::from_secs(1);
    [
        Phase::Idle,
        Phase::Searching { since },
        Phase::Connecting { since },
        Phase::Live { since, relayed: false },
        Phase::Ended(EndReason::PeerLeft),
    ]
}

fn in_phase(phase: Phase) -> State {
    State { phase, ..state() }
}

fn key(code: KeyCode) -> Msg {
    Msg::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn control(c: char) -> Msg {
    Msg::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL))
}

fn typed(state: &mut State, text: &str) {
    for c in text.chars() {
        assert_eq!(update(state, AT, key(KeyCode::Char(c))), None);
    }
}

fn said(state: &State) -> Vec<(Who, String)> {
    let text = |line: &ChatLine| (line.who, line.text.clone());
    state.chat.visible().0.map(text).collect()
}

fn room() -> RoomId {
    "00000000-0000-4000-8000-000000000000".parse().unwrap()
}

fn events() -> Vec<CallEvent> {
    vec![
        CallEvent::Searching,
        CallEvent::Matched { room_id: room(), is_initiator: true },
        CallEvent::Connected { relayed: true },
        CallEvent::FirstFrame,
        CallEvent::PartnerCamera { on: false },
        CallEvent::NoPicture(NoPicture::NotSent),
        CallEvent::NoSound,
        CallEvent::PartnerSound { on: false },
        CallEvent::Muted(true),
        CallEvent::MutedButTalking,
        CallEvent::Message { text: SafeText::new("hi"), from_self: false },
        CallEvent::Ended(EndReason::PeerLost),
        CallEvent::ServerLost { retry_in: Duration::from_secs(3) },
        CallEvent::ServerBack,
        CallEvent::Refused { code: SignalErrorCode::RateLimited, message: SafeText::new("slow") },
        CallEvent::Notice("look".to_owned()),
        CallEvent::Blocked { room_id: room() },
        CallEvent::Reported { room_id: room() },
        CallEvent::Presence(Presence { online: 214, searching: 3 }),
        CallEvent::Draining { seconds: 60 },
        CallEvent::Announcement(SafeText::new("hear, hear")),
        CallEvent::Stats(Stats::default()),
    ]
}

#[test]
fn one_key_for_the_next_stranger() {
    let expected = [
        Some(Command::Search),
        None,
        Some(Command::Skip),
        Some(Command::Skip),
        Some(Command::Search),
    ];
    for (phase, command) in phases().into_iter().zip(expected) {
        let effect = update(&mut in_phase(phase), AT, control('n'));
        assert_eq!(effect, command.map(Effect::Send), "{phase:?}");
    }
}

#[test]
fn every_event_in_every_phase() {
    for before in phases() {
        for event in events() {
            let mut state = in_phase(before);
            assert_eq!(update(&mut state, AT, Msg::Call(event.clone())), None);
            let expected = match (&event, before) {
                (CallEvent::Searching, Phase::Searching { .. }) => before,
                (CallEvent::Searching, _) => Phase::Searching { since: AT },
                (CallEvent::Matched { .. }, _) => Phase::Connecting { since: AT },
                (CallEvent::Connected { relayed }, Phase::Live { since, .. }) => {
                    Phase::Live { since, relayed: *relayed }
                }
                (CallEvent::Connected { relayed }, _) => {
                    Phase::Live { since: AT, relayed: *relayed }
                }
                (CallEvent::Ended(reason), _) => Phase::Ended(*reason),
                _ => before,
            };
            assert_eq!(state.phase, expected, "{event:?} in {before:?}");
        }
    }
}

#[test]
fn the_keys_of_sound() {
    let mut state = state();
    let mut press = |msg| update(&mut state, AT, msg);
    assert_eq!(press(key(KeyCode::F(7))), Some(Effect::Microphone(false)));
    assert_eq!(press(control('s')), Some(Effect::Microphone(true)));
    assert_eq!(press(key(KeyCode::F(8))), Some(Effect::Hearing(false)));
    assert_eq!(press(key(KeyCode::F(8))), Some(Effect::Hearing(true)));
    assert_eq!(press(key(KeyCode::Up)), Some(Effect::Volume(110)));
    assert_eq!(press(key(KeyCode::Down)), Some(Effect::Volume(100)));
    let mut none = State { sound: Sound::new(Microphone::Absent), ..self::state() };
    assert_eq!(update(&mut none, AT, key(KeyCode::F(7))), None);
    assert!(none.notice.is_some());
}

#[test]
fn push_to_talk_ends_by_itself() {
    let mut state = State { sound: Sound::new(Microphone::PushToTalk { until: None }), ..state() };
    assert_eq!(update(&mut state, AT, key(KeyCode::F(7))), Some(Effect::Microphone(true)));
    assert_eq!(update(&mut state, AT, key(KeyCode::F(7))), None, "repeated");
    let later = AT + Duration::from_secs(1);
    assert_eq!(update(&mut state, later, Msg::Tick), Some(Effect::Microphone(false)));
    assert_eq!(update(&mut state, later, key(KeyCode::F(7))), Some(Effect::Microphone(true)));
    let mut released = KeyEvent::new(KeyCode::F(7), KeyModifiers::NONE);
    released.kind = crossterm::event::KeyEventKind::Release;
    assert_eq!(update(&mut state, later, Msg::Key(released)), Some(Effect::Microphone(false)));
}

#[test]
fn escape_closes_help_before_it_empties_the_line() {
    let mut state = state();
    typed(&mut state, "x");
    update(&mut state, AT, key(KeyCode::F(1)));
    assert!(state.show_help);
    update(&mut state, AT, key(KeyCode::Esc));
    assert!(!state.show_help && state.input.text() == "x");
    update(&mut state, AT, key(KeyCode::Esc));
    assert_eq!(state.input.text(), "");
}

#[test]
fn switches() {
    let mut state = state();
    assert_eq!(update(&mut state, AT, key(KeyCode::F(4))), Some(Effect::Camera(false)));
    assert_eq!(update(&mut state, AT, control('o')), Some(Effect::Camera(true)));
    assert_eq!(update(&mut state, AT, control('l')), Some(Effect::Redraw));
    assert_eq!(update(&mut state, AT, control('c')), Some(Effect::Quit));
    assert_eq!(update(&mut state, AT, control('q')), Some(Effect::Quit));
    update(&mut state, AT, key(KeyCode::F(2)));
    assert_eq!(state.layout.unwrap().self_view, None);
    update(&mut state, AT, key(KeyCode::F(3)));
    assert_eq!(state.layout.unwrap().chat, None);
}

#[test]
fn one_key_turns_everything_off_at_once() {
    let both = Pictures { remote: true, local: true };
    for key in [key(KeyCode::F(12)), control('p')] {
        for phase in phases().into_iter().filter(|phase| *phase != Phase::Idle) {
            let mut state = State { pictures: both, show_help: true, ..met(phase) };
            assert_eq!(update(&mut state, AT, key.clone()), Some(Effect::AllOff));
            assert_eq!(state.phase, Phase::Ended(EndReason::Left));
            assert!(!state.camera && !state.sound.is_on() && !state.shows_remote());
            // The report's line is one key away, and on top.
            update(&mut state, AT, self::key(KeyCode::F(6)));
            assert!(state.report.is_some() && !state.show_help);
        }
    }
}

#[test]
fn a_new_stranger_is_coarse_for_three_seconds_or_until_the_key() {
    let at = |ms| AT + Duration::from_millis(ms);
    let come = Msg::Pictures(Pictures { remote: true, local: false });
    let meet = |state: &mut State| {
        let call = |event| Msg::Call(event);
        update(state, AT, call(CallEvent::Matched { room_id: room(), is_initiator: true }));
        update(state, AT, call(CallEvent::Connected { relayed: false }));
    };
    let mut state = state();
    meet(&mut state);
    update(&mut state, at(5000), Msg::Tick);
    update(&mut state, at(6000), come.clone());
    update(&mut state, at(8999), Msg::Tick);
    assert_eq!(state.coarse_for(), Some(Duration::from_millis(1)));
    update(&mut state, at(9000), Msg::Tick);
    assert_eq!(state.coarse_for(), None);
    // A camera that goes off and on shows the same stranger.
    update(&mut state, at(9500), Msg::Pictures(Pictures::default()));
    update(&mut state, at(9600), come.clone());
    assert_eq!(state.coarse_for(), None);

    meet(&mut state);
    assert_eq!(state.coarse_for(), Some(Duration::from_secs(3)), "somebody else");
    update(&mut state, AT, key(KeyCode::F(9)));
    assert!(state.coarse_for().is_some(), "there is nothing to see yet");
    update(&mut state, AT, come);
    update(&mut state, at(10), key(KeyCode::F(9)));
    assert_eq!(state.coarse_for(), None);
}

fn met(phase: Phase) -> State {
    State { met: true, ..in_phase(phase) }
}

/// Prefixes of tmux (Ctrl-B) and screen (Ctrl-A), and what a line editor has for the line.
#[test]
fn no_key_of_multiplexers_or_of_line_editors_does_more_than_edit() {
    for c in "abdefhkutwy".chars() {
        let mut state = met(phases()[3]);
        let before = format!("{:?}", (state.layout, state.camera, state.report.is_some()));
        for _ in 0..2 {
            assert_eq!(update(&mut state, AT, control(c)), None, "Ctrl-{c}");
        }
        let after = format!("{:?}", (state.layout, state.camera, state.report.is_some()));
        assert_eq!(after, before, "Ctrl-{c}");
    }
}

#[test]
fn notices_pass() {
    let mut state = state();
    update(&mut state, AT, Msg::Call(CallEvent::Notice("a\u{1b}b".to_owned())));
    assert_eq!(state.notice.as_ref().unwrap().0, "ab");
    update(&mut state, AT + Duration::from_secs(4), Msg::Tick);
    assert!(state.notice.is_some());
    update(&mut state, AT + NOTICE, Msg::Tick);
    assert_eq!(state.notice, None);
    update(&mut state, AT, Msg::Busy);
    assert!(state.notice.is_some());
}

#[test]
fn a_lost_server_is_told_until_it_is_back() {
    let mut state = state();
    let lost = CallEvent::ServerLost { retry_in: Duration::from_secs(3) };
    update(&mut state, AT, Msg::Call(lost));
    assert_eq!(state.server_retry, Some(AT + Duration::from_secs(3)));
    update(&mut state, AT, Msg::Call(CallEvent::ServerBack));
    assert_eq!(state.server_retry, None);
}

#[test]
fn a_new_size_is_a_new_layout() {
    let mut state = state();
    let effect = update(&mut state, AT, Msg::Resize(Size::new(20, 5)));
    assert_eq!((effect, state.layout), (Some(Effect::Redraw), None));
}

/// Anything that can happen, in any order.
fn msg() -> impl Strategy<Value = Msg> {
    let codes = vec![KeyCode::Enter, KeyCode::Esc, KeyCode::PageUp, KeyCode::PageDown];
    prop_oneof![
        prop::sample::select(codes).prop_map(key),
        (1u8..13).prop_map(|n| key(KeyCode::F(n))),
        any::<char>().prop_map(|c| key(KeyCode::Char(c))),
        prop::char::range('a', 'z').prop_map(control),
        ".{0,80}".prop_map(|text| Msg::Paste { text, is_cut: false }),
        (0u16..200, 0u16..80).prop_map(|(w, h)| Msg::Resize(Size::new(w, h))),
        prop::sample::select(events()).prop_map(Msg::Call),
        (".{0,200}", any::<bool>()).prop_map(|(text, from_self)| {
            Msg::Call(CallEvent::Message { text: SafeText::new(&text), from_self })
        }),
        any::<(bool, bool)>().prop_map(|(remote, local)| Msg::Pictures(Pictures { remote, local })),
        Just(Msg::Busy),
        Just(Msg::Tick),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 8,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_order_of_events_can_be_drawn(msgs in prop::collection::vec(msg(), 0..80)) {
        let mut state = state();
        for (n, msg) in msgs.into_iter().enumerate() {
            update(&mut state, Duration::from_millis(n as u64 * 400), msg);
            let area = ratatui::layout::Rect::new(0, 0, state.size.width, state.size.height);
            let mut buffer = ratatui::buffer::Buffer::empty(area);
            let scene = crate::tui::view::draw(&state, &mut buffer);
            let inside = [scene.remote, scene.local, scene.self_view, scene.help];
            prop_assert!(inside.into_iter().flatten().all(|pane| pane.union(area) == area));
        }
    }
}
