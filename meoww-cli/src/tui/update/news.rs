//! What news of the call change on the screen.

use super::{
    super::{
        chat::Who,
        sound::PartnerSound,
        state::{Phase, State},
    },
    notice, say, tell,
};
use crate::core::event::{CallEvent, EndReason, Safety};

pub(super) fn call(state: &mut State, event: CallEvent) {
    let since = state.now;
    match event {
        CallEvent::Searching => match state.phase {
            Phase::Searching { .. } => {}
            Phase::Idle | Phase::Connecting { .. } | Phase::Live { .. } | Phase::Ended(_) => {
                state.phase = Phase::Searching { since };
            }
        },
        CallEvent::SearchEnded => state.phase = Phase::Idle,
        CallEvent::Matched { .. } => matched(state),
        CallEvent::Connected { relayed } => connected(state, relayed),
        CallEvent::Reconnecting(why) => {
            state.reconnecting = Some((why, since));
            say(state, Who::Meoww, &format!("Reconnecting: {why}."));
        }
        CallEvent::Reconnected { relayed } => reconnected(state, relayed),
        CallEvent::Route { relayed } => {
            connected(state, relayed);
            say(state, Who::Meoww, &format!("The path is {} now.", path(relayed)));
        }
        CallEvent::GoDirect(news) => tell(state, &news.to_string()),
        // The picture itself is what tells the screen.
        CallEvent::FirstFrame => {}
        CallEvent::PartnerCamera { on } => partner_camera(state, on),
        CallEvent::NoPicture(why) => {
            state.no_picture = Some(why);
            tell(state, &why.to_string());
        }
        CallEvent::NoSound => no_sound(state),
        CallEvent::PartnerSound { on } => partner_sound(state, on),
        CallEvent::Safety(outcome) => safety(state, outcome),
        // The screen mutes by itself.
        CallEvent::Muted(_) => {}
        CallEvent::MutedButTalking => notice(state, "You are muted: F7 to be heard"),
        CallEvent::Message { text, from_self } => {
            let who = if from_self { Who::You } else { Who::Stranger };
            say(state, who, text.as_str());
        }
        CallEvent::Ended(reason) => {
            state.phase = Phase::Ended(reason);
            (state.stats, state.reconnecting) = (None, None);
            say(state, Who::Meoww, ended(reason));
        }
        CallEvent::ServerLost { retry_in } => state.server_retry = Some(state.now + retry_in),
        CallEvent::ServerBack => {
            if state.server_retry.take().is_some() {
                notice(state, "The server is back");
            }
        }
        CallEvent::Blocked { .. } => say(state, Who::Meoww, "Blocked: you will not meet again."),
        CallEvent::Reported { .. } => say(state, Who::Meoww, "Reported. Thank you."),
        CallEvent::Presence(presence) => state.presence = Some(presence),
        CallEvent::Draining { .. } => draining(state),
        CallEvent::Announcement(text) => {
            say(state, Who::Meoww, &format!("The server says: {text}"));
            notice(state, text.as_str());
        }
        CallEvent::Refused { message, .. } => tell(state, message.as_str()),
        CallEvent::Notice(text) => tell(state, &text),
        CallEvent::Stats(stats) => state.stats = Some(stats),
    }
}

/// By which way media goes.
pub(in crate::tui) fn path(relayed: bool) -> &'static str {
    if relayed { "relayed" } else { "direct" }
}

fn connected(state: &mut State, relayed: bool) {
    let since = match state.phase {
        Phase::Live { since, .. } => since,
        Phase::Idle | Phase::Searching { .. } | Phase::Connecting { .. } | Phase::Ended(_) => {
            state.now
        }
    };
    state.phase = Phase::Live { since, relayed };
}

fn reconnected(state: &mut State, relayed: bool) {
    state.reconnecting = None;
    connected(state, relayed);
    say(state, Who::Meoww, &format!("Connected again, {}.", path(relayed)));
}

fn safety(state: &mut State, outcome: Safety) {
    state.safety = Some(outcome);
    match outcome {
        Safety::Words(_) | Safety::Unverified => say(state, Who::Meoww, &outcome.to_string()),
        Safety::Broken => tell(state, &outcome.to_string()),
    }
}

fn matched(state: &mut State) {
    state.phase = Phase::Connecting { since: state.now };
    state.stats = None;
    (state.partner_camera, state.no_picture, state.safety) = (true, None, None);
    state.clear_at = None;
    state.partner_sound = PartnerSound::On;
    state.met = true;
    // Or it would be about somebody else.
    if state.report.take().is_some() {
        notice(state, "Not reported: this is somebody else");
    }
    if state.block_asked.take().is_some() {
        notice(state, "Not blocked: this is somebody else");
    }
    say(state, Who::Meoww, "You meet a stranger. Be kind.");
}

fn partner_camera(state: &mut State, on: bool) {
    state.partner_camera = on;
    // It may come now.
    state.no_picture = None;
    notice(state, if on { "Their camera is on" } else { "Their camera is off" });
}

fn no_sound(state: &mut State) {
    state.partner_sound = PartnerSound::Absent;
    tell(state, "They send no sound.");
}

fn partner_sound(state: &mut State, on: bool) {
    state.partner_sound = if on { PartnerSound::On } else { PartnerSound::Muted };
    notice(state, if on { "They unmuted themselves" } else { "They muted themselves" });
}

fn draining(state: &mut State) {
    let in_call = matches!(state.phase, Phase::Connecting { .. } | Phase::Live { .. });
    let words = if in_call {
        "The server is restarting; this call goes on; reconnecting for the next"
    } else {
        "The server is restarting; reconnecting"
    };
    tell(state, words);
}

/// Why a call ended, in words.
pub(in crate::tui) fn ended(reason: EndReason) -> &'static str {
    match reason {
        EndReason::PeerLeft => "The stranger left.",
        EndReason::PeerLost => "The connection was lost.",
        EndReason::ConnectFailed => "No connection could be made.",
        EndReason::Left => "You left.",
    }
}
