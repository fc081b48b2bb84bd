//! The events in words and JSON Schema, for the document that is made of them: what [`super::codec`]
//! reads and writes, name by name, with an example each that it reads.

use serde_json::{Value, json};

use crate::{
    limits::{MAX_CHAT_CHARS, MAX_REASON_CHARS},
    tags::{DEFAULT_TAG_WAIT, MAX_TAG_CHARS, MAX_TAG_WAIT, MAX_TAGS},
};

/// One event.
pub(crate) struct Entry {
    /// As on the wire.
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) summary: &'static str,
    /// JSON Schema of its data.
    pub(crate) data: Value,
    /// Data that fits.
    pub(crate) example: Value,
}

const ROOM: &str = "6f1c2f6e-2f0a-4a43-9a77-0d3b5b0f5c11";
const USER: &str = "65f0c0ffee65f0c0ffee65f0";

/// Codes of `error` and when they are used.
pub(crate) const CODES: [(&str, &str); 15] = [
    ("bad-event", "not an event, or data of the wrong shape"),
    ("unknown-event", "an event of no known name"),
    ("too-large", "over a bound"),
    ("rate-limited", "over 200 events a second after a burst of 400; some were dropped"),
    ("not-in-room", "the event needs a room, and there is none"),
    ("wrong-room", "the event names a room that is not the present one"),
    ("partner-away", "not passed on: the partner's connection is lost at the moment"),
    ("partner-slow", "not passed on: the partner reads too slowly, and is cut"),
    ("stale-candidate", "not passed on: of no description that its sender sent in this room"),
    ("in-call-elsewhere", "another connection of the account is in a call"),
    ("draining", "in acknowledgements: not queued, as the server is going down"),
    ("taken-over", "another connection of the account took over"),
    ("shutting-down", "the server is going down; the connection is closed"),
    ("session-ended", "logged out, password changed or expired; the connection is closed"),
    ("banned", "the account is banned; the connection is closed"),
];

fn entry(name: &'static str, summary: &'static str, data: Value, example: Value) -> Entry {
    Entry { name, summary, data, example }
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties })
}

fn room_id() -> Value {
    json!({ "type": "string", "format": "uuid" })
}

/// Data of an event that is about a room and nothing else.
fn room() -> Value {
    object(&["roomId"], json!({ "roomId": room_id() }))
}

/// Data that says nothing.
fn nothing() -> Value {
    json!({ "type": ["object", "null"] })
}

/// What passes both ways under one name.
fn signals() -> Vec<Entry> {
    let opaque = |what: &str| json!({ "description": what });
    let data = |key: &str, what: &str| {
        object(&["roomId", key], json!({ "roomId": room_id(), key: opaque(what) }))
    };
    let description = "an RTCSessionDescriptionInit, passed on byte for byte; at most 48 KiB";
    let candidate = "an RTCIceCandidateInit, passed on byte for byte; at most 4 KiB";
    let sdp = |kind: &str| json!({ "type": kind, "sdp": "v=0\r\n" });
    vec![
        entry(
            "offer",
            "An SDP offer for the partner.",
            data("offer", description),
            json!({ "roomId": ROOM, "offer": sdp("offer") }),
        ),
        entry(
            "answer",
            "An SDP answer for the partner.",
            data("answer", description),
            json!({ "roomId": ROOM, "answer": sdp("answer") }),
        ),
        entry(
            "ice-candidate",
            "A trickled ICE candidate for the partner.",
            data("candidate", candidate),
            json!({ "roomId": ROOM, "candidate": {
                "candidate": "candidate:1 1 UDP 2122252543 192.0.2.1 54321 typ host",
                "sdpMid": "0",
            } }),
        ),
    ]
}

fn search() -> Entry {
    let tag = json!({ "type": "string", "maxLength": MAX_TAG_CHARS });
    let tags = json!({ "type": "array", "maxItems": MAX_TAGS, "items": tag });
    let wait = json!({
        "type": "integer",
        "minimum": 0,
        "maximum": MAX_TAG_WAIT.as_secs(),
        "default": DEFAULT_TAG_WAIT.as_secs(),
        "description": "seconds after which a partner without a common tag will do",
    });
    let mut data = object(&[], json!({ "tags": tags, "waitSeconds": wait }));
    data["type"] = json!(["object", "null"]);
    let example = json!({ "tags": ["rust", "cats"], "waitSeconds": 5 });
    entry("search", "Queue me for a partner.", data, example)
}

/// What clients say.
pub(crate) fn client() -> Vec<Entry> {
    let text = |most: usize| json!({ "type": "string", "minLength": 1, "maxLength": most });
    let mut entries = vec![
        search(),
        entry("cancel", "Take me out of the queue.", nothing(), json!({})),
        entry("skip", "Leave the room, if any, and queue me again.", nothing(), json!({})),
        entry("leave", "Leave the room, if any.", nothing(), json!({})),
        entry(
            "block",
            "Never match me again with the partner of this room, the present one or the last.",
            room(),
            json!({ "roomId": ROOM }),
        ),
        entry(
            "mismatch",
            "No picture can pass between us: do not match me again soon with the partner of this \
             room, the present one or the last.",
            room(),
            json!({ "roomId": ROOM }),
        ),
        entry(
            "report",
            "Tell the operators about the partner of this room, the present one or the last.",
            object(
                &["roomId", "reason"],
                json!({ "roomId": room_id(), "reason": text(MAX_REASON_CHARS) }),
            ),
            json!({ "roomId": ROOM, "reason": "insults" }),
        ),
        entry(
            "send-message",
            "A chat line for the partner.",
            object(
                &["roomId", "text"],
                json!({ "roomId": room_id(), "text": text(MAX_CHAT_CHARS) }),
            ),
            json!({ "roomId": ROOM, "text": "hello" }),
        ),
    ];
    entries.extend(signals());
    entries
}

/// What the server says.
pub(crate) fn server() -> Vec<Entry> {
    let count = || json!({ "type": "integer", "minimum": 0 });
    let user_id = json!({ "type": "string", "pattern": "^[0-9a-f]{24}$" });
    let boolean = || json!({ "type": "boolean" });
    let text = || json!({ "type": "string" });
    let in_room = || json!({ "roomId": ROOM });
    let mut entries = vec![
        entry(
            "welcome",
            "First on every connection; with the room it took up again, if it did.",
            object(&["userId"], json!({ "userId": user_id, "roomId": room_id() })),
            json!({ "userId": USER }),
        ),
        entry("searching", "You are in the queue.", nothing(), json!({})),
        entry(
            "matched",
            "You are in a room; the initiator makes the offer.",
            object(
                &["roomId", "isInitiator"],
                json!({ "roomId": room_id(), "isInitiator": boolean() }),
            ),
            json!({ "roomId": ROOM, "isInitiator": true }),
        ),
        entry(
            "receive-message",
            "A chat line of the partner, or one's own once it was passed on.",
            object(
                &["roomId", "text", "fromSelf"],
                json!({ "roomId": room_id(), "text": text(), "fromSelf": boolean() }),
            ),
            json!({ "roomId": ROOM, "text": "hello", "fromSelf": false }),
        ),
        entry("peer-disconnected", "The room is over; you are in no queue.", room(), in_room()),
        entry("blocked", "The partner of this room is blocked.", room(), in_room()),
        entry("reported", "The report about this room is filed.", room(), in_room()),
        entry(
            "presence",
            "How many there are, when it changed and at most once a second.",
            object(&["online", "searching"], json!({ "online": count(), "searching": count() })),
            json!({ "online": 120, "searching": 3 }),
        ),
        entry(
            "notice",
            "The operator has something to say to everybody.",
            object(&["text"], json!({ "text": text() })),
            json!({ "text": "Back in five minutes." }),
        ),
        entry(
            "draining",
            "No new matches here: come back in a moment. A call may go on for so many seconds.",
            object(&["seconds"], json!({ "seconds": count() })),
            json!({ "seconds": 300 }),
        ),
        error(),
    ];
    entries.extend(signals());
    entries
}

fn error() -> Entry {
    let codes: Vec<_> =
        CODES.iter().map(|(code, why)| json!({ "const": code, "description": why })).collect();
    entry(
        "error",
        "Something was refused. Unless its code says otherwise, the connection goes on.",
        object(
            &["code", "message"],
            json!({
                "code": { "type": "string", "anyOf": codes },
                "message": { "type": "string", "description": "for people" },
            }),
        ),
        json!({ "code": "not-in-room", "message": "you are in no room" }),
    )
}
