//! What happens, and what comes of it. No clock, no terminal, no channel.

pub(super) mod news;

use std::time::Duration;

use crossterm::event::KeyEvent;
use meoww_paint::CellShape;
use meoww_proto::limits::MAX_CHAT_CHARS;
use ratatui::layout::Size;

use super::{
    chat::Who,
    editor::Editor,
    keymap::{Action, Edit, SoundKey, action},
    sound::Sound,
    state::{COARSE, Phase, Pictures, State},
};
use crate::{
    core::event::{CallEvent, Command, EndReason, Reason},
    text::SafeText,
};

/// How long a notice stays.
const NOTICE: Duration = Duration::from_secs(5);
/// How long a block waits to be confirmed after the last press of its key.
const CONFIRM: Duration = Duration::from_secs(5);

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Msg {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted.
    Paste {
        /// As far as it was kept.
        text: String,
        /// Whether it went on.
        is_cut: bool,
    },
    /// The terminal has another size.
    Resize(Size),
    /// The terminal's cells have this shape.
    Cell(CellShape),
    /// The call has news.
    Call(CallEvent),
    /// Pictures came or went.
    Pictures(Pictures),
    /// The call takes no more commands for now; one was lost.
    Busy,
    /// How loud the microphone is, in dBFS.
    Level(Option<i32>),
    /// Time passed.
    Tick,
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Tell the call.
    Send(Command),
    /// Turn the camera on or off.
    Camera(bool),
    /// Let the partner hear the microphone or not.
    Microphone(bool),
    /// Play the partner's sound or not.
    Hearing(bool),
    /// Play it this loud, in percent.
    Volume(u32),
    /// Camera and microphone off, and out of the call.
    AllOff,
    /// Forget what the terminal shows, and draw everything.
    Redraw,
    /// Stop until the shell continues the program.
    Suspend,
    /// End.
    Quit,
}

/// Applies `msg`, which happened at `now` (since the start).
pub fn update(state: &mut State, now: Duration, msg: Msg) -> Option<Effect> {
    state.now = now;
    if state.notice.as_ref().is_some_and(|(_, until)| *until <= now) {
        state.notice = None;
    }
    state.block_asked = state.block_asked.filter(|pressed| *pressed + CONFIRM > now);
    match msg {
        Msg::Key(key) => action(key).and_then(|action| act(state, action)),
        Msg::Paste { text, is_cut } => {
            paste(state, &text, is_cut);
            None
        }
        Msg::Resize(size) => {
            state.size = size;
            state.lay_out();
            Some(Effect::Redraw)
        }
        Msg::Cell(cell) => {
            state.cell = cell;
            state.lay_out();
            Some(Effect::Redraw)
        }
        Msg::Call(event) => {
            news::call(state, event);
            None
        }
        Msg::Pictures(pictures) => {
            state.pictures = pictures;
            if state.clear_at.is_none() && state.shows_remote() {
                state.clear_at = Some(now + COARSE);
            }
            None
        }
        Msg::Busy => {
            notice(state, "That did not get through; try again");
            None
        }
        Msg::Level(level) => {
            state.sound.set_level(level);
            None
        }
        Msg::Tick => microphone(state, |sound| sound.tick(now)),
    }
}

fn act(state: &mut State, action: Action) -> Option<Effect> {
    let block_confirmed = state.takes_block();
    let block_asked = state.block_asked.take().is_some();
    match action {
        Action::Next => next(state),
        Action::Quit => Some(Effect::Quit),
        Action::Redraw => Some(Effect::Redraw),
        Action::Suspend => Some(Effect::Suspend),
        Action::ToggleHelp => {
            state.show_help = !state.show_help;
            None
        }
        Action::ToggleSelf => {
            state.show_self = !state.show_self;
            state.lay_out();
            None
        }
        Action::ToggleChat => {
            show_chat(state, !state.show_chat);
            None
        }
        Action::ToggleCamera => {
            state.camera = !state.camera;
            Some(Effect::Camera(state.camera))
        }
        Action::Sound(key) => sound(state, key),
        Action::Clear => {
            state.clear_at = state.clear_at.map(|at| at.min(state.now));
            None
        }
        Action::GoDirect => Some(Effect::Send(Command::GoDirect)),
        Action::Panic => Some(all_off(state)),
        Action::Escape if block_asked => None,
        Action::Escape if state.show_help => {
            state.show_help = false;
            None
        }
        Action::Escape => {
            if state.report.take().is_none() {
                state.input.take();
            }
            None
        }
        Action::Block => block(state, block_confirmed),
        Action::Report => {
            report(state);
            None
        }
        Action::PageUp => {
            state.chat.scroll_pages(1);
            None
        }
        Action::PageDown => {
            state.chat.scroll_pages(-1);
            None
        }
        Action::Edit(edit) => self::edit(state, edit),
    }
}

fn sound(state: &mut State, key: SoundKey) -> Option<Effect> {
    match key {
        SoundKey::Microphone => {
            if state.sound.lacks_microphone() {
                notice(state, "There is no microphone");
            }
            let now = state.now;
            microphone(state, |sound| sound.press(now))
        }
        SoundKey::MicrophoneReleased => microphone(state, Sound::release),
        SoundKey::Hearing => {
            state.sound.deafened = !state.sound.deafened;
            Some(Effect::Hearing(!state.sound.deafened))
        }
        SoundKey::Louder => volume(state, Sound::louder),
        SoundKey::Softer => volume(state, Sound::softer),
    }
}

/// Says so, when a change turns the microphone on or off.
fn microphone(state: &mut State, change: impl FnOnce(&mut Sound)) -> Option<Effect> {
    let before = state.sound.is_on();
    change(&mut state.sound);
    let on = state.sound.is_on();
    (on != before).then_some(Effect::Microphone(on))
}

fn volume(state: &mut State, change: impl FnOnce(&mut Sound)) -> Option<Effect> {
    change(&mut state.sound);
    let volume = state.sound.volume;
    notice(state, &format!("Their loudness: {volume} %"));
    Some(Effect::Volume(volume))
}

fn paste(state: &mut State, text: &str, is_cut: bool) {
    show_chat(state, true);
    let all = state.line().insert(text);
    if is_cut || !all {
        notice(state, &format!("Cut: a message has at most {MAX_CHAT_CHARS} characters"));
    }
}

fn next(state: &mut State) -> Option<Effect> {
    match state.phase {
        Phase::Idle | Phase::Ended(_) => Some(Effect::Send(Command::Search)),
        Phase::Searching { .. } => None,
        Phase::Connecting { .. } | Phase::Live { .. } => Some(Effect::Send(Command::Skip)),
    }
}

/// What the call does follows; the screen waits for none of it.
fn all_off(state: &mut State) -> Effect {
    state.camera = false;
    state.sound.mute();
    state.pictures = Pictures::default();
    state.show_help = false;
    if state.phase != Phase::Idle {
        state.phase = Phase::Ended(EndReason::Left);
    }
    let report = if state.met { "F6 reports them; " } else { "" };
    notice(state, &format!("All off. {report}F4 and F7 turn camera and microphone on"));
    Effect::AllOff
}

/// Asks first, as a block is for good; each press too soon asks anew.
fn block(state: &mut State, is_confirmed: bool) -> Option<Effect> {
    if !state.met {
        notice(state, "You have met nobody yet");
    } else if is_confirmed {
        return Some(Effect::Send(Command::Block));
    } else {
        state.block_asked = Some(state.now);
    }
    None
}

/// Asks why, or no longer.
fn report(state: &mut State) {
    if !state.met {
        notice(state, "You have met nobody yet");
    } else if state.report.take().is_none() {
        state.report = Some(Editor::default());
        show_chat(state, true);
    }
}

fn edit(state: &mut State, edit: Edit) -> Option<Effect> {
    match edit {
        Edit::Submit if state.report.is_some() => return submit_report(state),
        Edit::Submit => return submit(state),
        Edit::Insert(c) => {
            show_chat(state, true);
            state.line().insert(c.encode_utf8(&mut [0; 4]));
        }
        Edit::Backspace => state.line().backspace(),
        Edit::Delete => state.line().delete(),
        Edit::DeleteWord => state.line().delete_word(),
        Edit::DeleteToStart => state.line().delete_to_start(),
        Edit::DeleteToEnd => state.line().delete_to_end(),
        Edit::Left => state.line().left(),
        Edit::Right => state.line().right(),
        Edit::Home => state.line().home(),
        Edit::End => state.line().end(),
    }
    None
}

fn submit_report(state: &mut State) -> Option<Effect> {
    match state.line().text().parse::<Reason>() {
        Ok(reason) => {
            state.report = None;
            Some(Effect::Send(Command::Report(reason)))
        }
        Err(_) if state.line().text().trim().is_empty() => None,
        Err(invalid) => {
            notice(state, &format!("Too long: {invalid}"));
            None
        }
    }
}

fn submit(state: &mut State) -> Option<Effect> {
    if state.input.text().trim().is_empty() {
        return None;
    }
    match state.phase {
        Phase::Connecting { .. } | Phase::Live { .. } => {
            Some(Effect::Send(Command::Chat(state.input.take().trim().to_owned())))
        }
        Phase::Idle | Phase::Searching { .. } | Phase::Ended(_) => {
            notice(state, "Nobody is there to read it yet");
            None
        }
    }
}

fn say(state: &mut State, who: Who, text: &str) {
    state.chat.push(who, SafeText::new(text));
    if !state.show_chat && who == Who::Stranger {
        state.unread += 1;
    }
}

/// In the chat, and in the status line for now.
fn tell(state: &mut State, text: &str) {
    say(state, Who::Meoww, text);
    notice(state, text);
}

fn notice(state: &mut State, text: &str) {
    state.notice = Some((SafeText::new(text).to_string(), state.now + NOTICE));
}

fn show_chat(state: &mut State, show: bool) {
    if state.show_chat != show {
        state.show_chat = show;
        state.unread = 0;
        state.lay_out();
    }
}

#[cfg(test)]
#[path = "update_tests.rs"]
mod tests;
