//! The sockets as an AsyncAPI 3.0 document, made of the catalogue beside the codec.

use serde_json::{Map, Value, json};

use crate::signal::{
    RESUME_QUERY,
    catalogue::{self, Entry},
};

const WS: &str = "One JSON text message an event: `{\"event\": NAME, \"data\": {...}}`. The access \
    token comes in the cookie `access_token` or as `Authorization: Bearer`. A connection that broke \
    keeps its place in the room for 30 seconds.";
const SOCKET_IO: &str = "Socket.IO protocol 5 over Engine.IO 4, polling and WebSocket, the default \
    namespace. Data that names no room means the one of the last `matched` that the client has read. An \
    acknowledgement is answered with `{\"ok\": true}` once the event took effect, which for a relay or \
    a chat line means that it waits to be written to the partner, or else with `{\"ok\": false, \
    \"code\": CODE, \"message\": TEXT}`; the codes are those of `error`.";

/// Both sockets and every event on them, seen from the server.
pub fn document() -> Value {
    let entries = || catalogue::server().into_iter().chain(catalogue::client());
    let lenient =
        catalogue::server().into_iter().chain(catalogue::client().into_iter().map(with_any_room));
    let schemas: Map<_, _> = entries().map(|entry| (entry.name.to_owned(), entry.data)).collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Meoww",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Matchmaking, signalling and chat between two strangers.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "ws": {
                "address": "/ws",
                "description": WS,
                "messages": messages(entries(), framed),
                "bindings": { "ws": { "query": resume() } },
            },
            "socketio": {
                "address": "/socket.io/",
                "description": SOCKET_IO,
                "messages": messages(lenient, called),
            },
        },
        "operations": {
            "wsHear": operation("ws", "receive", catalogue::client()),
            "wsSay": operation("ws", "send", catalogue::server()),
            "socketioHear": operation("socketio", "receive", catalogue::client()),
            "socketioSay": operation("socketio", "send", catalogue::server()),
        },
        "components": { "schemas": schemas },
    })
}

fn resume() -> Value {
    let description = "take up this room again";
    let room = json!({ "type": "string", "format": "uuid", "description": description });
    json!({ "type": "object", "properties": { RESUME_QUERY: room } })
}

/// An event that goes both ways is one message, the last of the two.
fn messages(
    entries: impl Iterator<Item = Entry>,
    frame: fn(&Entry) -> (Value, Value),
) -> Map<String, Value> {
    let message = |entry: Entry| {
        let (payload, example) = frame(&entry);
        let message = json!({
            "name": entry.name,
            "summary": entry.summary,
            "payload": payload,
            "examples": [{ "payload": example }],
        });
        (entry.name.to_owned(), message)
    };
    entries.map(message).collect()
}

fn reference(entry: &Entry) -> Value {
    json!({ "$ref": format!("#/components/schemas/{}", entry.name) })
}

/// As on `/ws`.
fn framed(entry: &Entry) -> (Value, Value) {
    let properties = json!({ "event": { "const": entry.name }, "data": reference(entry) });
    let payload = json!({ "type": "object", "required": ["event"], "properties": properties });
    (payload, json!({ "event": entry.name, "data": entry.example }))
}

/// Data that may leave its room out.
fn with_any_room(mut entry: Entry) -> Entry {
    if let Some(required) = entry.data.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|key| key != "roomId");
    }
    entry
}

/// As the arguments of `emit`.
fn called(entry: &Entry) -> (Value, Value) {
    let items = json!([{ "const": entry.name }, entry.data]);
    let payload = json!({ "type": "array", "minItems": 1, "items": items });
    (payload, json!([entry.name, entry.example]))
}

fn operation(channel: &str, action: &str, entries: Vec<Entry>) -> Value {
    let message =
        |entry: &Entry| json!({ "$ref": format!("#/channels/{channel}/messages/{}", entry.name) });
    json!({
        "action": action,
        "channel": { "$ref": format!("#/channels/{channel}") },
        "messages": entries.iter().map(message).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        error::SignalErrorCode,
        signal::{ClientMessage, ServerMessage},
    };
    use std::collections::BTreeSet;

    #[test]
    fn the_checked_in_document_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/asyncapi.json");
        let file = std::fs::read_to_string(path).expect("it is there");
        let file: Value = serde_json::from_str(&file).expect("JSON");
        assert_eq!(file, document(), "run `meoww-server asyncapi > docs/asyncapi.json`");
    }

    /// Whoever adds an event comes by here, as this does not compile without it.
    fn number_from_client(message: &ClientMessage) -> usize {
        use crate::signal::RelayPayload::{Answer, Candidate, Chat, Offer};
        match message {
            ClientMessage::Search(_) => 0,
            ClientMessage::Cancel => 1,
            ClientMessage::Skip => 2,
            ClientMessage::Leave => 3,
            ClientMessage::Block { .. } => 4,
            ClientMessage::Mismatch { .. } => 5,
            ClientMessage::Report(_) => 6,
            ClientMessage::Relay(relay) => match relay.payload {
                Offer(_) => 7,
                Answer(_) => 8,
                Candidate(_) => 9,
                Chat(_) => 10,
            },
        }
    }

    fn number_from_server(message: &ServerMessage) -> usize {
        use crate::signal::RelayPayload::{Answer, Candidate, Chat, Offer};
        match message {
            ServerMessage::Welcome(_) => 0,
            ServerMessage::Searching => 1,
            ServerMessage::Matched(_) => 2,
            ServerMessage::Chat(_) => 3,
            ServerMessage::PeerDisconnected { .. } => 4,
            ServerMessage::Blocked { .. } => 5,
            ServerMessage::Reported { .. } => 6,
            ServerMessage::Presence(_) => 7,
            ServerMessage::Notice { .. } => 8,
            ServerMessage::Draining { .. } => 9,
            ServerMessage::Error(_) => 10,
            ServerMessage::Signal(relay) => match relay.payload {
                Offer(_) => 11,
                Answer(_) => 12,
                Candidate(_) => 13,
                Chat(_) => panic!("a chat line comes as `receive-message`"),
            },
        }
    }

    /// Each example is read by the codec and, written again, still says the same.
    #[test]
    fn every_event_is_in_it_with_an_example_the_codec_reads() {
        let document = document();
        let examples = |operation: &str| -> Vec<Value> {
            let references =
                document["operations"][operation]["messages"].as_array().expect("some");
            let pointers = references.iter().map(|r| r["$ref"].as_str().expect("a reference"));
            pointers
                .map(|pointer| document.pointer(&pointer[1..]).expect("it leads somewhere"))
                .map(|message| message["examples"][0]["payload"].clone())
                .collect()
        };
        let mut heard = BTreeSet::new();
        for example in examples("wsHear") {
            let message = ClientMessage::decode(&example.to_string()).expect("an event");
            heard.insert(number_from_client(&message));
            let written: Value = serde_json::from_str(&message.encode()).expect("JSON");
            assert!(written == example || example["event"] == "search", "{written}");
        }
        assert_eq!(heard, (0..11).collect());
        let mut said = BTreeSet::new();
        for example in examples("wsSay") {
            let message = ServerMessage::decode(&example.to_string()).expect("an event");
            said.insert(number_from_server(&message));
            let written: Value = serde_json::from_str(&message.encode()).expect("JSON");
            assert_eq!(written, example);
        }
        assert_eq!(said, (0..14).collect());
        assert_eq!(examples("socketioSay").len(), 14);
        assert_eq!(examples("socketioHear").len(), 11);
    }

    #[test]
    fn every_code_is_one_the_codec_knows() {
        for (code, _) in catalogue::CODES {
            let parsed: SignalErrorCode = serde_json::from_value(json!(code)).expect("a code");
            assert_ne!(parsed, SignalErrorCode::Unknown, "{code}");
        }
    }
}
