//! What a script is told: an event as a sentence and as JSON.

use meoww_proto::signal::Presence;
use serde_json::{Value, json};

use crate::core::event::{CallEvent, EndReason, Safety, Stats};

/// An event for people and for scripts.
pub(super) fn described(event: &CallEvent) -> (String, Value) {
    match event {
        CallEvent::Searching => ("Searching.".into(), json!({"event": "searching"})),
        CallEvent::SearchEnded => ("No longer searching.".into(), json!({"event": "search-ended"})),
        CallEvent::Matched { room_id, is_initiator } => (
            "Matched; connecting.".into(),
            json!({"event": "matched", "roomId": room_id, "isInitiator": is_initiator}),
        ),
        CallEvent::Connected { relayed } => path("Connected", "connected", *relayed),
        CallEvent::Reconnecting(why) => {
            (format!("Reconnecting: {why}."), json!({"event": "reconnecting", "why": why}))
        }
        CallEvent::Reconnected { relayed } => path("Reconnected", "reconnected", *relayed),
        CallEvent::Route { relayed } => path("Another path", "route", *relayed),
        CallEvent::GoDirect(news) => {
            (news.to_string(), json!({"event": "go-direct", "state": news}))
        }
        CallEvent::FirstFrame => ("First picture.".into(), json!({"event": "first-frame"})),
        CallEvent::PartnerCamera { on } => partner_camera(*on),
        CallEvent::NoPicture(why) => notice(&why.to_string()),
        CallEvent::NoSound => sound("They send no sound.", false, false),
        CallEvent::PartnerSound { on: true } => sound("Their sound is on.", false, true),
        CallEvent::PartnerSound { on: false } => sound("They muted themselves.", false, false),
        CallEvent::Muted(false) => sound("Your microphone is on.", true, true),
        CallEvent::Muted(true) => sound("Your microphone is muted.", true, false),
        CallEvent::MutedButTalking => notice("You are muted, and talking."),
        CallEvent::Safety(safety) => (safety.to_string(), checked(*safety)),
        CallEvent::Message { text, from_self } => (
            format!("{}: {text}", if *from_self { "you" } else { "stranger" }),
            json!({"event": "message", "text": text, "fromSelf": from_self}),
        ),
        CallEvent::Ended(reason) => ended(*reason),
        CallEvent::ServerLost { retry_in } => (
            format!("Server lost; trying again in {} ms.", retry_in.as_millis()),
            json!({"event": "server-lost", "retryInMs": retry_in.as_millis()}),
        ),
        CallEvent::ServerBack => ("Server back.".into(), json!({"event": "server-back"})),
        CallEvent::Refused { code, message } => (
            format!("Refused: {message}"),
            json!({"event": "error", "code": code, "message": message}),
        ),
        CallEvent::Blocked { room_id } => {
            ("Blocked.".into(), json!({"event": "blocked", "roomId": room_id}))
        }
        CallEvent::Reported { room_id } => {
            ("Reported.".into(), json!({"event": "reported", "roomId": room_id}))
        }
        CallEvent::Presence(Presence { online, searching }) => (
            format!("{online} online, {searching} searching."),
            json!({"event": "presence", "online": online, "searching": searching}),
        ),
        CallEvent::Draining { seconds } => (
            format!("The server goes down in {seconds} s; the next one is looked for."),
            json!({"event": "draining", "seconds": seconds}),
        ),
        CallEvent::Announcement(text) => {
            (format!("The server says: {text}"), json!({"event": "notice", "message": text}))
        }
        CallEvent::Notice(text) => notice(text),
        CallEvent::Stats(stats) => figures(stats),
    }
}

/// By which way media goes.
fn path(text: &str, event: &str, relayed: bool) -> (String, Value) {
    let way = if relayed { "relayed" } else { "directly" };
    (format!("{text}, {way}."), json!({"event": event, "relayed": relayed}))
}

fn partner_camera(on: bool) -> (String, Value) {
    let text = format!("Their camera is {}.", if on { "on" } else { "off" });
    (text, json!({"event": "partner-camera", "on": on}))
}

/// Whether sound comes from one side.
fn sound(text: &str, from_self: bool, on: bool) -> (String, Value) {
    (text.to_owned(), json!({"event": "sound", "fromSelf": from_self, "on": on}))
}

fn ended(reason: EndReason) -> (String, Value) {
    ("The call is over.".into(), json!({"event": "peer-disconnected", "reason": reason}))
}

fn notice(text: &str) -> (String, Value) {
    (text.to_owned(), json!({"event": "notice", "message": text}))
}

fn checked(safety: Safety) -> Value {
    let (state, words) = match safety {
        Safety::Words(words) => ("words", Some(words)),
        Safety::Unverified => ("unverified", None),
        Safety::Broken => ("broken", None),
    };
    json!({"event": "safety", "state": state, "words": words})
}

fn figures(stats: &Stats) -> (String, Value) {
    let text = format!(
        "{:.0} fps in, {:.0} fps out, {:.0} kbit/s in",
        stats.fps_in, stats.fps_out, stats.kbps_in
    );
    let mut data = json!(stats);
    data["event"] = "stats".into();
    (text, data)
}
