//! The operator's other commands: reports, the lobby, settings, mail, TURN, documents.

use std::os::unix::fs::PermissionsExt;

use futures_util::{SinkExt, StreamExt};
use meoww_proto::signal::ClientMessage;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::{harness::patiently, operator::Operator, process::Process};

#[tokio::test]
async fn reports_are_listed_shown_and_resolved() {
    let operator = Operator::new();
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let report = json!({
        "type": "report", "key": id.replace('-', ""), "value": {
            "room": "2f1c7f0e-6a53-4f0e-9d3b-0d6f2a1f9c11",
            "reporter": "0101010101010101010101aa", "reported": null,
            "reason": "rude\u{1b}[2J", "lines": [{ "by": "reported", "text": "boo" }],
            "filed_at": 1_700_000_000_000_u64, "resolution": null
        }
    });
    let header = json!({ "type": "header", "format": "meoww-export", "version": 1 });
    let end = json!({ "type": "end", "records": 1 });
    let export = format!("{header}\n{report}\n{end}\n");
    let said = operator.types_with(&["db", "import", "-"], &[], &export).await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(operator.types(&["db", "export", "-"]).await.out.lines().count(), 3);
    assert_eq!(operator.ask(&["db", "check"]).await["findings"], json!([]));

    let listed = operator.ask(&["report", "list"]).await;
    assert_eq!((&listed["id"], &listed["reported"]), (&json!(id), &Value::Null));
    let shown = operator.types(&["report", "show", id]).await;
    assert!(shown.code == 0 && shown.out.contains("boo"), "{}", shown.out);
    assert!(!shown.out.contains('\u{1b}'), "what strangers write must not steer a terminal");
    let resolved = operator.ask(&["report", "resolve", id, "--note", "nothing to it"]).await;
    assert_eq!(resolved["resolution"]["note"], "nothing to it");
    assert_eq!(operator.asks(&["report", "list"]).await.len(), 0);
    assert_eq!(operator.asks(&["report", "list", "--all"]).await.len(), 1);
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8058";
    assert_eq!(operator.code(&["report", "show", unknown]).await, 8);
    assert_eq!(operator.code(&["report", "list", "--about", "nobody"]).await, 8);
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(server: &Process, cookie: &str) -> Socket {
    let url = format!("{}/ws", server.url.replace("http", "ws"));
    let mut request = url.into_client_request().expect("a request");
    request.headers_mut().insert("cookie", cookie.parse().expect("a value"));
    patiently(tokio_tungstenite::connect_async(request)).await.expect("a socket").0
}

/// Reads until a message says this.
async fn until(socket: &mut Socket, word: &str) -> String {
    loop {
        let message = patiently(socket.next()).await.expect("open").expect("a message");
        let text = message.to_text().expect("text");
        if text.contains(word) {
            return text.to_owned();
        }
    }
}

#[tokio::test]
async fn rooms_broadcast_and_drain_need_a_server_and_say_so() {
    let operator = Operator::new();
    operator.ask(&["user", "create", "--count", "1"]).await;
    for command in [&["rooms"][..], &["broadcast", "hello"], &["drain"]] {
        let said = operator.types(command).await;
        assert!(said.code == 7 && said.err.contains("no server runs"), "{}", said.err);
    }
    let mut server = operator.server().await;
    let made = operator.asks(&["user", "create", "--count", "2", "--verified", "--tokens"]).await;
    let mut sockets = Vec::new();
    for user in &made {
        let mut socket = connect(&server, user["cookie"].as_str().expect("a cookie")).await;
        until(&mut socket, "welcome").await;
        let search = ClientMessage::decode(r#"{"event":"search"}"#).expect("an event").encode();
        patiently(socket.send(Message::Text(search.into()))).await.expect("sent");
        sockets.push(socket);
    }
    for socket in &mut sockets {
        until(socket, "matched").await;
    }
    let room = operator.ask(&["rooms"]).await;
    let members = room["members"].as_array().expect("members");
    assert!(made.iter().all(|user| members.contains(&user["id"])), "{room}");
    assert_eq!(operator.ask(&["stats"]).await["live"]["rooms"], 1);
    assert_eq!(operator.ask(&["broadcast", "tea at noon"]).await["connections"], 2);
    until(&mut sockets[0], "tea at noon").await;
    assert_eq!(operator.code(&["broadcast", "two\nlines"]).await, 2);

    let draining = operator.ask(&["drain", "--for", "1h"]).await;
    assert_eq!((&draining["rooms"], &draining["seconds"]), (&json!(1), &json!(3600)));
    until(&mut sockets[1], "drain").await;
    assert_eq!(operator.ask(&["stats"]).await["live"]["rooms"], 1, "the call goes on");
    for mut socket in sockets {
        let _ = socket.close(None).await;
    }
    assert_eq!(server.ended().await, 0);
}

#[tokio::test]
async fn settings_are_shown_checked_and_explained() {
    let operator = Operator::new();
    let env = [("TURN_SECRET", "a good long secret"), ("TURN_SERVER_URL", "turn:relay.example")];
    let shown = operator.types_with(&["config", "show", "--json"], &env, "").await;
    assert!(shown.code == 0 && !shown.out.contains("a good long"), "{} {}", shown.out, shown.err);
    let of = |key: &str| {
        let lines = shown.json();
        let found = lines.iter().find(|line| line["setting"] == key);
        found.expect("shown")["source"].as_str().expect("text").to_owned()
    };
    assert_eq!(
        [of("turn_secret"), of("data_dir"), of("listen")],
        ["environment", "flag", "default"]
    );
    assert_eq!(operator.code(&["config", "check"]).await, 0);
    let check =
        async |env: &[(&str, &str)]| operator.types_with(&["config", "check"], env, "").await.code;
    assert_eq!(check(&[("ACCESS_TOKEN_EXPIRY", "soon")]).await, 3);
    assert_eq!(check(&[("JWT_ACCESS_SECRET", "secret")]).await, 6);
    assert_eq!(check(&[("MEOWW_SMTP_URL", "carrier-pigeon://x")]).await, 3);

    let file = operator.path("meoww.toml");
    assert_eq!(operator.code(&["config", "init", &file]).await, 0);
    assert_eq!(operator.code(&["config", "init", &file]).await, 10);
    let mode = std::fs::metadata(&file).expect("written").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(operator.code(&["config", "check", "--config", &file]).await, 0);
    assert!(!operator.data().exists(), "none of these makes a data directory");
}

#[tokio::test]
async fn a_test_mail_goes_where_all_mail_goes() {
    let operator = Operator::new();
    assert_eq!(operator.ask(&["mail", "test", "me@example.com"]).await["via"], "outbox");
    let mut mails = std::fs::read_dir(operator.data().join("outbox")).expect("an outbox");
    let mail = mails.next().expect("a mail").expect("readable").path();
    let mail = std::fs::read_to_string(mail).expect("text");
    assert!(mail.contains("To: me@example.com") && mail.contains("arrives"), "{mail}");
    assert_eq!(operator.code(&["mail", "test", "nobody"]).await, 2);
    let down = [("MEOWW_SMTP_URL", "smtp://127.0.0.1:1")];
    let said = operator.types_with(&["mail", "test", "me@example.com"], &down, "").await;
    assert!(said.code == 1 && said.err.contains("mail server"), "{}", said.err);
}

#[tokio::test]
async fn the_program_describes_itself() {
    let operator = Operator::new();
    let document = |said: String| serde_json::from_str::<Value>(&said).expect("JSON");
    let openapi = operator.types(&["openapi"]).await;
    assert!(document(openapi.out)["paths"]["/api/auth/login"].is_object());
    let asyncapi = operator.types(&["asyncapi"]).await;
    assert!(document(asyncapi.out)["asyncapi"].is_string());
    for shell in ["bash", "zsh", "fish"] {
        assert!(operator.types(&["completions", shell]).await.out.contains("set-password"));
    }
    assert!(operator.types(&["man"]).await.out.contains(".TH meoww-server"));
    let pages = operator.path("man");
    assert_eq!(operator.code(&["man", "--dir", &pages]).await, 0);
    assert!(std::fs::read_dir(&pages).expect("made").count() > 30);
    let help = operator.types(&["--help"]).await.out;
    assert!(help.contains("Exit codes:") && help.contains("Examples:"), "{help}");
}
