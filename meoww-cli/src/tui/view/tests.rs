//! What the user sees, as text. `·` are cells left to a picture.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use meoww_proto::signal::Presence;
use ratatui::{Terminal, backend::TestBackend, buffer::Cell, layout::Size};
use unicode_width::UnicodeWidthStr;

use super::*;
use crate::{
    core::event::{CallEvent, EndReason, NoPicture, Reconnecting, Safety, Stats},
    text::SafeText,
    tui::{
        sound::{Microphone, Sound},
        state::Pictures,
        update::{Msg, update},
    },
};

const START: Duration = Duration::from_secs(10);

fn state(width: u16, height: u16) -> State {
    let state = State::new(Size::new(width, height), true, true, Sound::new(Microphone::Open));
    State { coarse_at_first: false, ..state }
}

fn happens(state: &mut State, seconds: u64, event: CallEvent) {
    update(state, START + Duration::from_secs(seconds), Msg::Call(event));
}

fn live(width: u16, height: u16) -> State {
    let mut state = state(width, height);
    let room_id = "00000000-0000-4000-8000-000000000000".parse().unwrap();
    let say = |text, from_self| CallEvent::Message { text: SafeText::new(text), from_self };
    happens(&mut state, 0, CallEvent::Matched { room_id, is_initiator: false });
    happens(&mut state, 1, CallEvent::Connected { relayed: false });
    happens(&mut state, 2, say("hello from the other side of the world", false));
    happens(&mut state, 3, say("hi! 你好", true));
    update(&mut state, START, Msg::Pictures(Pictures { remote: true, local: true }));
    let stats = Stats { fps_drawn: 29.8, kbps_in: 243.2, rtt_ms: Some(41.6), ..Stats::default() };
    happens(&mut state, 75, CallEvent::Stats(stats));
    state
}

/// The screen as text; the second half of a wide character is left out.
fn screen(state: &State) -> String {
    let mut terminal =
        Terminal::new(TestBackend::new(state.size.width, state.size.height)).unwrap();
    let frame = terminal
        .draw(|frame| {
            draw(state, frame.buffer_mut());
            let left = |cell: &&mut Cell| cell.diff_option == CellDiffOption::Skip;
            for cell in frame.buffer_mut().content.iter_mut().filter(left) {
                cell.set_diff_option(CellDiffOption::None).set_symbol("·");
            }
        })
        .unwrap();
    let row = |cells: &[Cell]| {
        let mut text = String::new();
        let mut hidden = 0;
        for cell in cells {
            if hidden == 0 {
                text.push_str(cell.symbol());
                hidden = cell.symbol().width();
            }
            hidden = hidden.saturating_sub(1);
        }
        text.trim_end().to_owned()
    };
    let width = usize::from(state.size.width);
    frame.buffer.content.chunks(width).map(row).collect::<Vec<_>>().join("\n")
}

fn press(state: &mut State, key: KeyCode) {
    update(state, state.now, Msg::Key(KeyEvent::new(key, KeyModifiers::NONE)));
}

#[test]
fn a_call_on_a_usual_screen() {
    insta::assert_snapshot!(screen(&live(80, 24)));
}

#[test]
fn a_call_on_a_wide_screen() {
    let mut state = live(150, 40);
    "what do you see?".chars().for_each(|c| press(&mut state, KeyCode::Char(c)));
    insta::assert_snapshot!(screen(&state));
}

#[test]
fn a_call_on_a_tall_screen() {
    insta::assert_snapshot!(screen(&live(60, 40)));
}

#[test]
fn a_call_on_the_smallest_screen() {
    insta::assert_snapshot!(screen(&live(40, 12)));
}

#[test]
fn searching() {
    let mut state = state(80, 24);
    happens(&mut state, 0, CallEvent::Searching);
    update(&mut state, START, Msg::Pictures(Pictures { remote: false, local: true }));
    update(&mut state, START + Duration::from_secs(67), Msg::Tick);
    insta::assert_snapshot!(screen(&state));
}

#[test]
fn searching_on_the_smallest_screen() {
    let mut state = state(40, 12);
    happens(&mut state, 0, CallEvent::Searching);
    insta::assert_snapshot!(screen(&state));
}

#[test]
fn the_words_of_every_phase() {
    let mut state = state(80, 24);
    assert!(screen(&state).contains("Ctrl-N to meet a stranger"));
    let room_id = "00000000-0000-4000-8000-000000000000".parse().unwrap();
    happens(&mut state, 0, CallEvent::Matched { room_id, is_initiator: false });
    assert!(screen(&state).contains("Found someone, connecting"));
    happens(&mut state, 1, CallEvent::Connected { relayed: true });
    assert!(screen(&state).contains("No picture from them yet"));
    for (reason, words) in [
        (EndReason::PeerLeft, "The stranger left."),
        (EndReason::PeerLost, "The connection was lost."),
        (EndReason::ConnectFailed, "No connection could be made."),
        (EndReason::Left, "You left."),
    ] {
        happens(&mut state, 2, CallEvent::Ended(reason));
        let seen = screen(&state);
        assert!(seen.contains(words) && seen.contains("Ctrl-N for the next stranger"), "{seen}");
    }
}

/// The longest that comes on a machine without a camera has 60 columns; there is room for 53.
#[test]
fn a_notice_is_in_the_status_line_as_far_as_it_fits_and_whole_in_the_chat() {
    for (notice, shown) in [
        ("The camera is busy", "The camera is busy"),
        (
            "No camera was found; your partner sees a card that says so.",
            "No camera was found; your partner sees a card…",
        ),
        ("猫".repeat(40).as_str(), &("猫".repeat(22) + "…")),
    ] {
        let mut state = live(80, 24);
        happens(&mut state, 76, CallEvent::Notice(notice.to_owned()));
        let seen = screen(&state);
        let status = seen.lines().last().unwrap();
        let expected = format!(" ● live 1:15 direct  {shown}");
        // Cut exactly there: the key for the next stranger follows.
        let rest = status.strip_prefix(&expected).unwrap_or_else(|| panic!("{status}"));
        assert!(rest.trim_start().starts_with("Ctrl-N next"), "{status}");
        assert!(seen.lines().any(|line| line.contains(&notice[..18])), "{seen}");
    }
}

#[test]
fn a_missing_picture_is_explained_until_the_next_partner() {
    let mut state = live(80, 24);
    let shows = |state: &State, words: &str| {
        let seen = screen(state);
        assert!(seen.contains(words), "{words}: {seen}");
    };
    happens(&mut state, 76, CallEvent::PartnerCamera { on: false });
    // No longer the picture of before: the decoder takes it away.
    update(&mut state, START, Msg::Pictures(Pictures { remote: false, local: true }));
    shows(&state, "│               Their camera is off   ");
    happens(&mut state, 77, CallEvent::PartnerCamera { on: true });
    shows(&state, "No picture from them yet");
    happens(&mut state, 78, CallEvent::NoPicture(NoPicture::NotSent));
    shows(&state, " They send no video ");
    happens(&mut state, 78, CallEvent::NoPicture(NoPicture::NoCommonCodec));
    shows(&state, "Their side has no H.264");
    happens(&mut state, 78, CallEvent::NoPicture(NoPicture::NotDecoded));
    shows(&state, "Their video cannot be decoded");
    happens(&mut state, 78, CallEvent::NoPicture(NoPicture::TooLarge { width: 9, height: 9 }));
    shows(&state, "Their picture is too large");
    happens(&mut state, 79, CallEvent::PartnerCamera { on: false });
    let room_id = "00000000-0000-4000-8000-000000000001".parse().unwrap();
    happens(&mut state, 80, CallEvent::Matched { room_id, is_initiator: false });
    happens(&mut state, 81, CallEvent::Connected { relayed: false });
    shows(&state, "No picture from them yet");
}

/// Both see who is muted; one's own voice moves the lower border of one's own picture.
#[test]
fn sound_on_the_screen() {
    let mut state = live(80, 24);
    update(&mut state, START, Msg::Level(Some(-33)));
    let lit = |state: &State| screen(state).matches('━').count();
    let half = usize::from(state.layout.unwrap().local().unwrap().width.div_ceil(2));
    assert_eq!(lit(&state), half, "{}", screen(&state));
    press(&mut state, KeyCode::F(7));
    let seen = screen(&state);
    assert_eq!(lit(&state), 0);
    assert!(seen.contains("╭ muted ─") && seen.lines().last().unwrap().contains("muted"), "{seen}");
    assert!(seen.contains(" stranger ╮"), "{seen}");
    // Without a sound system there is nothing to be muted.
    update(&mut state, START, Msg::Level(None));
    let seen = screen(&state);
    assert!(seen.contains("no microphone") && !seen.contains("muted"), "{seen}");
    press(&mut state, KeyCode::F(7));
    let seen = screen(&state);
    assert!(seen.contains("There is no microphone") && !seen.contains("muted"), "{seen}");
    happens(&mut state, 77, CallEvent::PartnerSound { on: false });
    assert!(screen(&state).contains(" stranger, muted "));
    press(&mut state, KeyCode::F(8));
    assert!(screen(&state).lines().last().unwrap().contains("not hearing"));
    // The next partner may have sound.
    let room_id = "00000000-0000-4000-8000-000000000001".parse().unwrap();
    happens(&mut state, 80, CallEvent::Matched { room_id, is_initiator: false });
    assert!(screen(&state).contains(" stranger ╮"));
}

#[test]
fn a_coarse_picture_says_for_how_long_and_which_key_clears_it() {
    let mut state = State { coarse_at_first: true, ..live(80, 24) };
    assert!(screen(&state).starts_with("╭ meoww ───────────────────────────────"));
    let room_id = "00000000-0000-4000-8000-000000000001".parse().unwrap();
    happens(&mut state, 80, CallEvent::Matched { room_id, is_initiator: false });
    assert!(screen(&state).lines().next().unwrap().contains(" clear in 3 s, F9: now ╮"));
    press(&mut state, KeyCode::F(12));
    assert!(!screen(&state).contains('·'), "a picture is left: {}", screen(&state));
}

#[test]
fn the_safety_words_are_below_the_picture_of_this_call_alone() {
    let mut state = live(80, 24);
    let border = |state: &State| {
        let seen = screen(state);
        seen.lines().rev().nth(1).expect("a border").chars().take(50).collect::<String>()
    };
    happens(&mut state, 76, CallEvent::Safety(Safety::Words(["armor", "drastic", "blur", "hub"])));
    assert!(border(&state).starts_with("╰ armor drastic blur hub ─"), "{}", border(&state));
    happens(&mut state, 77, CallEvent::Safety(Safety::Broken));
    assert!(border(&state).starts_with("╰ safety check failed ─"), "{}", border(&state));
    let room_id = "00000000-0000-4000-8000-000000000001".parse().unwrap();
    happens(&mut state, 80, CallEvent::Matched { room_id, is_initiator: false });
    happens(&mut state, 81, CallEvent::Connected { relayed: false });
    assert!(border(&state).starts_with("╰───"), "{}", border(&state));
    happens(&mut state, 91, CallEvent::Safety(Safety::Unverified));
    assert!(border(&state).starts_with("╰ unverified ─"), "{}", border(&state));
}

#[test]
fn the_partner_left() {
    let mut state = live(80, 24);
    happens(&mut state, 80, CallEvent::Ended(EndReason::PeerLeft));
    insta::assert_snapshot!(screen(&state));
}

#[test]
fn help_over_a_call() {
    let mut state = live(80, 24);
    press(&mut state, KeyCode::F(1));
    insta::assert_snapshot!(screen(&state));
}

#[test]
fn help_on_the_smallest_screen_has_every_key_of_the_call() {
    let mut state = live(40, 12);
    press(&mut state, KeyCode::F(1));
    insta::assert_snapshot!(screen(&state));
}

#[test]
fn server_lost_camera_off_chat_hidden() {
    let mut state = live(100, 24);
    press(&mut state, KeyCode::F(3));
    press(&mut state, KeyCode::F(4));
    happens(&mut state, 80, CallEvent::Message { text: SafeText::new("hey"), from_self: false });
    happens(&mut state, 80, CallEvent::ServerLost { retry_in: Duration::from_millis(2500) });
    insta::assert_snapshot!(screen(&state));
}

#[test]
fn searching_among_others() {
    let mut state = state(80, 24);
    happens(&mut state, 0, CallEvent::Searching);
    let presence = Presence { online: 214, searching: 3 };
    happens(&mut state, 0, CallEvent::Presence(presence));
    let seen = screen(&state);
    assert!(seen.lines().last().unwrap().contains("214 online, 3 searching"), "{seen}");
}

#[test]
fn a_block_asks_first() {
    for (width, question) in [(80, "Block for good? Press again; Esc: no"), (40, "Block…")] {
        let mut state = live(width, 24);
        happens(&mut state, 75, CallEvent::ServerLost { retry_in: Duration::from_secs(9) });
        press(&mut state, KeyCode::F(5));
        assert!(!screen(&state).contains("Press again"), "that would not count yet");
        let pressed = state.now;
        update(&mut state, pressed + Duration::from_secs(1), Msg::Tick);
        let seen = screen(&state);
        assert!(seen.lines().last().unwrap().contains(question), "{seen}");
        let later = pressed + Duration::from_secs(5);
        update(&mut state, later, Msg::Tick);
        assert!(!screen(&state).contains(question));
    }
}

#[test]
fn how_media_goes_is_in_the_status_line_whatever_else_is() {
    let mut state = live(40, 24);
    let status = |state: &State| screen(state).lines().last().unwrap().to_owned();
    happens(&mut state, 76, CallEvent::Route { relayed: true });
    happens(&mut state, 76, CallEvent::Notice("The camera is busy".to_owned()));
    assert!(status(&state).contains("relayed"), "{}", status(&state));
    happens(&mut state, 80, CallEvent::Reconnecting(Reconnecting::Silence));
    assert!(status(&state).contains("reconnecting 0:00"), "{}", status(&state));
    happens(&mut state, 83, CallEvent::Reconnected { relayed: false });
    assert!(status(&state).contains("direct"), "{}", status(&state));
}

#[test]
fn a_report() {
    let mut state = live(80, 24);
    press(&mut state, KeyCode::F(6));
    assert!(screen(&state).contains("! Why report them? Esc: no"));
    "he shouts".chars().for_each(|c| press(&mut state, KeyCode::Char(c)));
    let room_id = "00000000-0000-4000-8000-000000000000".parse().unwrap();
    happens(&mut state, 76, CallEvent::Blocked { room_id });
    insta::assert_snapshot!(screen(&state));
}

#[test]
fn the_server_restarts_during_a_call() {
    let mut state = live(110, 24);
    happens(&mut state, 76, CallEvent::Draining { seconds: 60 });
    insta::assert_snapshot!(screen(&state));
}

#[test]
fn too_small() {
    let mut state = live(80, 24);
    update(&mut state, START, Msg::Resize(Size::new(30, 6)));
    insta::assert_snapshot!(screen(&state));
}
