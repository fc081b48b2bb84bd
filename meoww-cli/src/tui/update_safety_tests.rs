//! Blocks and reports by keys.

use super::*;

#[test]
fn a_stranger_is_blocked_by_a_key_pressed_twice_also_after_the_call() {
    for phase in phases() {
        let mut nobody = in_phase(phase);
        for _ in 0..2 {
            assert_eq!(update(&mut nobody, AT, key(KeyCode::F(5))), None, "nobody was met");
        }
        let mut state = met(phase);
        assert_eq!(update(&mut state, AT, key(KeyCode::F(5))), None);
        let effect = update(&mut state, AT + Duration::from_secs(4), control('x'));
        assert_eq!(effect, Some(Effect::Send(Command::Block)));
        assert_eq!(update(&mut state, AT, key(KeyCode::F(5))), None, "asked anew");
    }
}

#[test]
fn a_block_is_not_confirmed_late_after_another_key_or_for_somebody_else() {
    let matched = CallEvent::Matched { room_id: room(), is_initiator: true };
    let others = [key(KeyCode::Esc), key(KeyCode::Char('x')), control('n'), Msg::Call(matched)];
    for other in others {
        let mut state = met(phases()[3]);
        typed(&mut state, "hello");
        update(&mut state, AT, key(KeyCode::F(5)));
        update(&mut state, AT, other.clone());
        assert_eq!(update(&mut state, AT, key(KeyCode::F(5))), None, "{other:?}");
        assert!(state.input.text().starts_with("hello"), "Esc answers the question alone");
    }
    let mut state = met(phases()[3]);
    update(&mut state, AT, key(KeyCode::F(5)));
    let late = AT + Duration::from_secs(5);
    assert_eq!(update(&mut state, late, key(KeyCode::F(5))), None);
    assert_eq!(update(&mut state, late, Msg::Call(CallEvent::Ended(EndReason::PeerLeft))), None);
    let effect = update(&mut state, late + Duration::from_secs(1), key(KeyCode::F(5)));
    assert_eq!(effect, Some(Effect::Send(Command::Block)), "whom one just met");
}

/// A key held down for ten seconds: the first repeat after 660 ms and then 25 a second, as `xset r rate`
/// has it without arguments; or after 200 ms, as fast as some set it.
#[test]
fn a_key_held_down_does_not_confirm_a_block() {
    for first in [200, 660] {
        let mut state = met(phases()[3]);
        let mut pressed = AT;
        assert_eq!(update(&mut state, pressed, key(KeyCode::F(5))), None);
        for repeat in 0..234 {
            pressed = AT + Duration::from_millis(first + 40 * repeat);
            assert_eq!(update(&mut state, pressed, key(KeyCode::F(5))), None, "{repeat}");
        }
        let again = pressed + Duration::from_secs(1);
        let effect = update(&mut state, again, key(KeyCode::F(5)));
        assert_eq!(effect, Some(Effect::Send(Command::Block)), "let go, and pressed again");
    }
}

#[test]
fn a_report_asks_why_and_leaves_what_was_typed_alone() {
    let mut state = met(phases()[3]);
    typed(&mut state, "hello");
    update(&mut state, AT, key(KeyCode::F(6)));
    assert_eq!(update(&mut state, AT, key(KeyCode::Enter)), None, "no reason yet");
    typed(&mut state, " rude ");
    let effect = update(&mut state, AT, key(KeyCode::Enter));
    let reason = "rude".parse().unwrap();
    assert_eq!(effect, Some(Effect::Send(Command::Report(reason))));
    assert_eq!((state.report, state.input.text()), (None, "hello"));
}

#[test]
fn a_report_is_left_by_escape_and_by_the_next_stranger() {
    let mut state = met(phases()[3]);
    let matched = Msg::Call(CallEvent::Matched { room_id: room(), is_initiator: true });
    for msg in [key(KeyCode::Esc), key(KeyCode::F(6)), matched] {
        update(&mut state, AT, key(KeyCode::F(6)));
        typed(&mut state, "x");
        update(&mut state, AT, msg);
        assert_eq!(state.report, None);
    }
    typed(&mut state, "y");
    assert_eq!(state.input.text(), "y");
    let mut nobody = in_phase(phases()[1]);
    update(&mut nobody, AT, key(KeyCode::F(6)));
    assert!(nobody.report.is_none() && nobody.notice.is_some());
}

#[test]
fn a_reason_too_long_is_kept_to_be_shortened() {
    let mut state = met(phases()[3]);
    update(&mut state, AT, key(KeyCode::F(6)));
    update(&mut state, AT, Msg::Paste { text: "x".repeat(501), is_cut: false });
    assert_eq!(update(&mut state, AT, key(KeyCode::Enter)), None);
    assert!(state.report.is_some() && state.notice.is_some());
}
