//! The line one types, and what is said.

use super::*;

#[test]
fn enter_says_it_to_whom_is_there() {
    for phase in phases() {
        let mut state = in_phase(phase);
        assert_eq!(update(&mut state, AT, key(KeyCode::Enter)), None, "nothing was typed");
        typed(&mut state, " hi there ");
        let effect = update(&mut state, AT, key(KeyCode::Enter));
        if matches!(phase, Phase::Connecting { .. } | Phase::Live { .. }) {
            assert_eq!(effect, Some(Effect::Send(Command::Chat("hi there".to_owned()))));
            assert_eq!(state.input.text(), "");
        } else {
            assert_eq!(effect, None);
            assert_eq!(state.input.text(), " hi there ", "kept for later");
            assert!(state.notice.is_some());
        }
    }
}

#[test]
fn the_line_is_edited() {
    let mut state = state();
    typed(&mut state, "one two");
    for msg in [control('w'), key(KeyCode::Home), key(KeyCode::Delete), key(KeyCode::Right)] {
        update(&mut state, AT, msg);
    }
    for msg in [key(KeyCode::Left), key(KeyCode::End), key(KeyCode::Backspace), control('h')] {
        update(&mut state, AT, msg);
    }
    assert_eq!(state.input.text(), "n");
    update(&mut state, AT, Msg::Paste { text: "a\u{1b}[31m\nb".to_owned(), is_cut: false });
    assert_eq!(state.input.text(), "na[31m b");
    update(&mut state, AT, control('u'));
    assert_eq!(state.input.text(), "");
}

/// The keys of readline's emacs mode, each in the middle of `one two`.
#[test]
fn the_line_is_edited_as_in_readline() {
    let expected = [
        ('a', "|one two"),
        ('e', "one two|"),
        ('b', "one| two"),
        ('f', "one t|wo"),
        ('d', "one |wo"),
        ('h', "one|two"),
        ('k', "one |"),
        ('u', "|two"),
        ('w', "|two"),
    ];
    for (c, line) in expected {
        let mut state = state();
        typed(&mut state, "one two");
        for _ in 0..3 {
            update(&mut state, AT, key(KeyCode::Left));
        }
        assert_eq!(update(&mut state, AT, control(c)), None, "Ctrl-{c}");
        typed(&mut state, "|");
        assert_eq!(state.input.text(), line, "Ctrl-{c}");
    }
}

#[test]
fn a_refusal_is_in_the_chat_as_a_whole() {
    let mut state = state();
    let message = SafeText::new("Another search took over");
    let refused = CallEvent::Refused { code: SignalErrorCode::TakenOver, message };
    update(&mut state, AT, Msg::Call(refused));
    assert_eq!(said(&state), [(Who::Meoww, "Another search took over".to_owned())]);
    assert!(state.notice.is_some());
}

#[test]
fn words_of_the_server_are_in_the_chat() {
    let mut state = in_phase(phases()[3]);
    update(&mut state, AT, Msg::Call(CallEvent::Announcement(SafeText::new("we close at ten"))));
    update(&mut state, AT, Msg::Call(CallEvent::Draining { seconds: 60 }));
    let said: Vec<String> = said(&state).into_iter().map(|(_, words)| words).collect();
    let said = said.join(" ");
    assert!(said.contains("The server says: we close at ten"), "{said}");
    assert!(said.contains("this call goes on"), "{said}");
}

#[test]
fn a_hidden_chat_counts_and_comes_back_when_one_types() {
    let mut state = in_phase(phases()[3]);
    update(&mut state, AT, key(KeyCode::F(3)));
    let hi = CallEvent::Message { text: SafeText::new("hi"), from_self: false };
    update(&mut state, AT, Msg::Call(hi));
    assert_eq!(state.unread, 1);
    typed(&mut state, "y");
    assert!(state.show_chat && state.unread == 0);
    assert_eq!(said(&state), [(Who::Stranger, "hi".to_owned())]);
}

#[test]
fn the_end_is_written_into_the_chat() {
    let mut state = in_phase(phases()[3]);
    update(&mut state, AT, Msg::Call(CallEvent::Stats(Stats::default())));
    update(&mut state, AT, Msg::Call(CallEvent::Ended(EndReason::PeerLeft)));
    assert_eq!(said(&state), [(Who::Meoww, "The stranger left.".to_owned())]);
    assert_eq!(state.stats, None);
}
