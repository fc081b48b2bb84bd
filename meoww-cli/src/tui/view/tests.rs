//! What the user sees, as text. `·` are cells left to a picture.

use std::time::Duration;

use ratatui::{Terminal, backend::TestBackend, layout::Size};

use super::*;
use crate::{
    core::event::{CallEvent, EndReason, Stats},
    text::SafeText,
    tui::{
        state::Pictures,
        update::{Msg, update},
    },
};

const START: Duration = Duration::from_secs(10);

fn state(width: u16, height: u16) -> State {
    State::new(Size::new(width, height), true, true)
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

fn screen(state: &State) -> String {
    let backend = TestBackend::new(state.size.width, state.size.height);
    let mut terminal = Terminal::new(backend).unwrap();
    terminal
        .draw(|frame| {
            draw(state, frame.buffer_mut());
            for cell in &mut frame.buffer_mut().content {
                if cell.diff_option == CellDiffOption::Skip {
                    cell.set_diff_option(CellDiffOption::None).set_symbol("·");
                }
            }
        })
        .unwrap();
    let text = terminal.backend().to_string();
    text.lines().map(|line| line.trim_matches('"').trim_end()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_call_on_a_wide_screen() {
    assert_eq!(screen(&live(80, 24)), include_str!("snapshots/live-80x24.txt").trim_end());
}
