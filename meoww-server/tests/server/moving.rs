//! A server that moves to PostgreSQL and back, by the commands that an operator types: nobody is
//! logged out, and nothing is forgotten.

use meoww_proto::signal::{ClientMessage, Report, ServerMessage};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    engine,
    harness::{PASSWORD, Peer, Reply, signup},
    operator::Operator,
    photos::{FORM, fields, form, photo, png},
    process::{Process, code_for},
    sockets::{chat, meet, welcomed},
};

async fn ask(server: &Process, method: Method, path: &str, cookie: &str, body: Value) -> Reply {
    let request = Client::new().request(method, format!("{}{path}", server.url));
    let request = request.header("content-type", "application/json").header("cookie", cookie);
    Reply::to(request.body(body.to_string())).await
}

async fn log_in(server: &Process, name: &str) -> Reply {
    let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
    ask(server, Method::POST, "/api/auth/login", "", body).await
}

async fn refresh(server: &Process, token: &str) -> Reply {
    let cookie = format!("refresh_token={token}");
    ask(server, Method::POST, "/api/auth/refresh", &cookie, Value::Null).await
}

/// Everything that the users of a server hold of it.
struct Held {
    ada: Session,
    /// Eve's, who has not confirmed her address.
    eve: String,
    /// Ada's.
    photo: String,
    picture: Vec<u8>,
}

struct Session {
    access: String,
    refresh: String,
}

impl Session {
    fn of(login: &Reply) -> Self {
        assert_eq!(login.status, StatusCode::OK, "{}", login.body);
        let [access, refresh] = ["access_token", "refresh_token"].map(|name| login.cookie(name));
        Self { access: format!("access_token={access}"), refresh }
    }

    async fn connect(&self, server: &Process) -> Peer {
        let url = format!("{}/ws", server.url);
        let mut peer = Peer::at(&url, &[("cookie", &self.access)]).await.expect("a socket");
        assert_eq!(welcomed(&mut peer).await, None);
        peer
    }
}

/// Ada has a photo and has reported and blocked Bob, Cyd is banned, Eve waits for her code.
async fn lived_in(operator: &Operator) -> Held {
    let server = operator.server().await;
    let with_photo = fields("ada").into_iter().chain([photo(&png())]);
    let sign_up = Client::new().post(format!("{}/api/auth/signup", server.url));
    let sign_up = sign_up.header(FORM.0, FORM.1).body(form(with_photo));
    assert_eq!(Reply::to(sign_up).await.status, StatusCode::CREATED);
    for name in ["bob", "cyd", "eve"] {
        let reply = ask(&server, Method::POST, "/api/auth/signup", "", signup(name)).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.body);
    }
    for name in ["ada", "bob", "cyd"] {
        operator.ask(&["user", "verify", name]).await;
    }
    let login = log_in(&server, "ada").await;
    let photo = login.body["user"]["profileImage"].as_str().expect("a path").to_owned();
    let ada = Session::of(&login);
    let bob = Session::of(&log_in(&server, "bob").await);
    let (mut one, mut other) = (ada.connect(&server).await, bob.connect(&server).await);
    let room = meet(&mut one, &mut other).await;
    chat(&mut other, &mut one, room, "a rude word").await;
    one.send(ClientMessage::Report(Report { room_id: room, reason: "rude".into() })).await;
    assert!(matches!(one.next().await, ServerMessage::Reported { .. }));
    one.send(ClientMessage::Block { room_id: room }).await;
    assert!(matches!(one.next().await, ServerMessage::Blocked { .. }));
    operator.ask(&["user", "ban", "cyd", "--reason", "spam"]).await;
    let picture = ask(&server, Method::GET, &photo, "", Value::Null).await.bytes;
    let eve = code_for(&operator.data().join("outbox"), "eve").expect("a code");
    server.stop().await;
    Held { ada, eve, photo, picture }
}

/// Looks at all of it through HTTP and as an operator, and goes on with it.
async fn demand_all(operator: &Operator, held: &Held) {
    let server = operator.server().await;
    let login = log_in(&server, "ada").await;
    assert_eq!(login.status, StatusCode::OK, "{}", login.body);
    assert_eq!(login.body["user"]["profileImage"], held.photo.as_str());
    let picture = ask(&server, Method::GET, &held.photo, "", Value::Null).await;
    assert_eq!((picture.status, &picture.bytes), (StatusCode::OK, &held.picture));

    let me = ask(&server, Method::GET, "/api/auth/me", &held.ada.access, Value::Null).await;
    assert_eq!(me.status, StatusCode::OK, "{}", me.body);
    let blocks = ask(&server, Method::GET, "/api/auth/blocks", &held.ada.access, Value::Null).await;
    assert_eq!(blocks.body["blocks"].as_array().map(Vec::len), Some(1), "{}", blocks.body);

    let banned = log_in(&server, "cyd").await;
    assert_eq!((banned.status, &banned.body["code"]), (StatusCode::FORBIDDEN, &json!("BANNED")));

    let reports = operator.asks(&["report", "list"]).await;
    let [report] = &reports[..] else { panic!("{reports:?}") };
    let id = report["id"].as_str().expect("an id");
    let shown = operator.types(&["report", "show", id]).await;
    assert!(shown.out.contains("a rude word"), "{} {}", shown.out, shown.err);
    assert_eq!(operator.ask(&["db", "check"]).await["findings"], json!([]));
    server.stop().await;
}

/// Sessions go on, and a code that was mailed before is good.
async fn go_on(operator: &Operator, held: &mut Held) {
    let server = operator.server().await;
    let refreshed = refresh(&server, &held.ada.refresh).await;
    held.ada = Session::of(&refreshed);
    let waiting = log_in(&server, "eve").await;
    assert_eq!(waiting.body["code"], "EMAIL_NOT_VERIFIED");
    let verify = json!({ "userId": waiting.body["userId"], "otp": held.eve });
    let verified = ask(&server, Method::POST, "/api/auth/verify", "", verify).await;
    assert_eq!(verified.status, StatusCode::OK, "{}", verified.body);
    server.stop().await;
}

/// Moves everything through a file into an empty database, and holds both exports to be the same.
async fn move_to(operator: Operator, database: Option<String>) -> Operator {
    let file = operator.path("everything.jsonl");
    operator.ask(&["db", "export", &file]).await;
    let exported = std::fs::read_to_string(&file).expect("text");
    if operator.database.is_none() {
        let aside = operator.data().join("moved");
        std::fs::rename(operator.data().join("db"), aside).expect("moved away");
    }
    let operator = Operator { database, ..operator };
    operator.ask(&["db", "import", &file]).await;
    assert_eq!(operator.types(&["db", "export", "-"]).await.out, exported);
    operator
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_moves_to_postgres_and_back_with_everything() {
    let operator = Operator::new();
    let mut held = lived_in(&operator).await;
    let operator = move_to(operator, Some(engine::fresh_database().await)).await;
    demand_all(&operator, &held).await;
    go_on(&operator, &mut held).await;
    let operator = move_to(operator, None).await;
    demand_all(&operator, &held).await;
}
