use std::{num::NonZeroU16, time::Duration};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use meoww_paint::{Mode, Render};
use proptest::prelude::*;
use ratatui::layout::{Position, Size};

use super::*;
use crate::{
    core::event::{CallEvent, EndReason},
    text::SafeText,
    tui::{
        sound::{Microphone, Sound},
        state::{Pictures, State},
        update::{Msg, update},
    },
};

const CAPS: Caps = Caps { synchronized: true, ..Caps::new(Color::True, true) };
const MODE: Mode = Mode::new(Render::HalfBlock, Color::True);

fn terminal(size: Size) -> vt100::Parser {
    let [rows, columns] = [size.height, size.width].map(|n| NonZeroU16::new(n).unwrap());
    vt100::Parser::new(rows, columns, 0)
}

/// A picture of one colour.
fn plain(luma: u8) -> Frame {
    let mut frame = Frame::black(64, 48);
    frame.planes_mut()[0].fill(luma);
    frame
}

fn draw(canvas: &mut Canvas, state: &State, pictures: [&Frame; 2], terminal: &mut vt100::Parser) {
    let mut out = Vec::new();
    let [remote, local] = pictures;
    canvas.draw_state(state, &mut out).unwrap();
    canvas.draw_pictures(Some(remote), Some(local), &mut out);
    canvas.finish(&mut out);
    terminal.process(&out);
}

/// Greys of the palette (232 and up: from 8 in steps of 10) are sent by their number.
fn rgb(color: vt100::Color) -> vt100::Color {
    match color {
        vt100::Color::Idx(index @ 232..) => {
            let grey = 8 + 10 * (index - 232);
            vt100::Color::Rgb(grey, grey, grey)
        }
        other => other,
    }
}

/// What one sees at a place: the colour of a blank's ink is not seen.
fn seen(
    terminal: &vt100::Parser,
    at: Position,
) -> (String, Option<vt100::Color>, vt100::Color, bool) {
    let cell = terminal.screen().cell(at.y, at.x).unwrap();
    let text = cell.contents().trim().to_owned();
    let ink = (!text.is_empty()).then(|| cell.fgcolor());
    (text, ink.map(rgb), rgb(cell.bgcolor()), cell.inverse())
}

fn live() -> State {
    let mut state = State::new(Size::new(90, 30), true, true, Sound::new(Microphone::Open));
    let pictures = Pictures { remote: true, local: true };
    update(&mut state, Duration::ZERO, Msg::Pictures(pictures));
    update(&mut state, Duration::ZERO, Msg::Call(CallEvent::Connected { relayed: false }));
    state
}

#[test]
fn pictures_and_panes_share_the_screen() {
    let (mut canvas, state) = (Canvas::new(CAPS, MODE), live());
    let mut terminal = terminal(state.size);
    draw(&mut canvas, &state, [&plain(100), &plain(200)], &mut terminal);
    let layout = state.layout.unwrap();
    let centre = |area: Rect| Position::new(area.x + area.width / 2, area.y + area.height / 2);
    let remote = seen(&terminal, centre(layout.remote())).2;
    let local = seen(&terminal, centre(layout.local().unwrap())).2;
    assert_eq!(remote, vt100::Color::Rgb(98, 98, 98));
    assert_eq!(local, vt100::Color::Rgb(214, 214, 214));
    assert!(terminal.screen().contents().contains("╭ you ─"));
    let caret = canvas.scene.caret.unwrap();
    assert_eq!(terminal.screen().cursor_position(), (caret.y, caret.x));
}

/// The left of both pictures is dark.
#[test]
fn a_mirror_shows_oneself_alone() {
    let look = Look { is_mirrored: true, ..MODE.look };
    let (mut canvas, state) = (Canvas::new(CAPS, Mode { look, ..MODE }), live());
    let mut terminal = terminal(state.size);
    let mut frame = plain(200);
    frame.planes_mut()[0].chunks_exact_mut(64).for_each(|row| row[..32].fill(16));
    draw(&mut canvas, &state, [&frame, &frame], &mut terminal);
    let layout = state.layout.unwrap();
    let is_light = |area: Rect, quarter: u16| {
        let at = Position::new(area.x + area.width * quarter / 4, area.y + area.height / 2);
        let (text, ink, ground, _) = seen(&terminal, at);
        let color = if text == "█" { ink } else { Some(ground) };
        color != Some(vt100::Color::Rgb(0, 0, 0))
    };
    let (remote, local) = (layout.remote(), layout.local().unwrap());
    assert_eq!((is_light(remote, 1), is_light(remote, 3)), (false, true));
    assert_eq!((is_light(local, 1), is_light(local, 3)), (true, false));
}

/// vt100 adds up characters: what is wider there than it was taken for paints over the border, which is
/// not drawn again.
#[test]
fn emoji_leave_the_border_where_it_is() {
    let (mut canvas, mut state) = (Canvas::new(CAPS, MODE), live());
    let mut terminal = terminal(state.size);
    let (input, pictures) = (state.layout.unwrap().chat_input().unwrap(), [&plain(9), &plain(9)]);
    let key = |code| Msg::Key(KeyEvent::new(code, KeyModifiers::NONE));
    for emoji in ["👍🏽", "🇩🇪", "👩🏾\u{200d}🚀", "❤\u{fe0f}", "1\u{fe0f}\u{20e3}"]
    {
        for before in 0..input.width.into() {
            let text = "x".repeat(before) + emoji;
            for msg in [key(KeyCode::Esc), Msg::Paste { text, is_cut: false }, key(KeyCode::Home)] {
                update(&mut state, Duration::ZERO, msg);
                draw(&mut canvas, &state, pictures, &mut terminal);
            }
            let border = seen(&terminal, Position::new(input.right() + 1, input.y)).0;
            assert_eq!(border, "│", "{before} columns before {emoji}");
        }
    }
}

#[test]
fn nothing_new_is_no_bytes() {
    let (mut canvas, state) = (Canvas::new(CAPS, MODE), live());
    let frame = plain(90);
    draw(&mut canvas, &state, [&frame, &frame], &mut terminal(state.size));
    let mut out = Vec::new();
    canvas.draw_state(&state, &mut out).unwrap();
    canvas.draw_pictures(Some(&frame), Some(&frame), &mut out);
    canvas.finish(&mut out);
    assert_eq!(out, b"");
}

#[test]
fn a_poor_terminal_gets_ascii_without_colours() {
    let mode = Mode { render: Render::Ascii, color: Color::Mono, ..MODE };
    let caps = Caps { color: Color::Mono, unicode: false, synchronized: false, ..CAPS };
    let (mut canvas, mut state) = (Canvas::new(caps, mode), live());
    let hello = CallEvent::Message { text: SafeText::new("né"), from_self: false };
    update(&mut state, Duration::ZERO, Msg::Call(hello));
    let mut out = Vec::new();
    canvas.draw_state(&state, &mut out).unwrap();
    canvas.draw_pictures(Some(&plain(150)), None, &mut out);
    assert!(out.is_ascii());
    let text = String::from_utf8(out).unwrap();
    assert!(!text.contains("38;5") && !text.contains("48;5"), "{text:?}");
}

/// What changes the screen.
fn msg() -> impl Strategy<Value = Msg> {
    let key = |code| Msg::Key(KeyEvent::new(code, KeyModifiers::NONE));
    let say = |text: &str| CallEvent::Message { text: SafeText::new(text), from_self: false };
    let events = vec![
        CallEvent::Searching,
        CallEvent::Connected { relayed: true },
        CallEvent::Ended(EndReason::PeerLeft),
        say("hello there 你好 how are you today"),
        say("x"),
    ];
    prop_oneof![
        2 => (1u8..5).prop_map(move |n| key(KeyCode::F(n))),
        1 => prop::sample::select(vec!['a', '界', ' ']).prop_map(move |c| key(KeyCode::Char(c))),
        2 => prop::sample::select(events).prop_map(Msg::Call),
        1 => any::<(bool, bool)>().prop_map(|(remote, local)| Msg::Pictures(Pictures { remote, local })),
        1 => Just(Msg::Tick),
    ]
}

/// A few, and far from each other: close ones may stay on the screen in each other's place.
fn shade() -> impl Strategy<Value = u8> {
    prop::sample::select(vec![40, 120, 200])
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 8,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_changed_step_by_step_looks_like_what_is_drawn_at_once(
        steps in prop::collection::vec((msg(), shade(), shade()), 1..25)
    ) {
        let mut state = live();
        let mut canvas = Canvas::new(CAPS, MODE);
        let mut terminal_kept = terminal(state.size);
        for (n, (msg, remote, local)) in steps.into_iter().enumerate() {
            update(&mut state, Duration::from_millis(n as u64 * 300), msg);
            let frames = [&plain(remote), &plain(local)];
            draw(&mut canvas, &state, frames, &mut terminal_kept);
            let mut terminal_new = terminal(state.size);
            draw(&mut Canvas::new(CAPS, MODE), &state, frames, &mut terminal_new);
            for at in Rect::new(0, 0, state.size.width, state.size.height).positions() {
                let (kept, new) = (seen(&terminal_kept, at), seen(&terminal_new, at));
                prop_assert_eq!(kept, new, "{} after step {}", at, n);
            }
        }
    }
}
