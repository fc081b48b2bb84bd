//! Taking one's data along, and leaving.

use meoww_proto::{
    account::AccountExport,
    signal::{ClientMessage, Report, ServerMessage},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    harness::{PASSWORD, TestServer},
    own_sessions::expect_ended,
    sockets::{chat, room_of_two},
};

#[tokio::test]
async fn an_export_holds_everything_but_secrets() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let body = json!({ "email": "new@example.com", "password": PASSWORD });
    server.send_as(Method::POST, "/api/auth/email", &ada.access, body).await;
    let reply = server.get_as("/api/auth/me/export", &ada.access).await;
    assert_eq!(reply.status, StatusCode::OK);
    let text = reply.body.to_string();
    assert!(!text.to_lowercase().contains("hash") && !text.contains("argon2"), "{text}");
    assert!(!text.contains(&ada.access) && !text.contains(&ada.refresh));
    let export: AccountExport = serde_json::from_value(reply.body).expect("an export");
    assert_eq!(export.user.id, ada.id);
    assert_eq!(export.new_email.as_deref(), Some("new@example.com"));
    assert_eq!((export.sessions.len(), export.blocks.len(), export.reports.len()), (1, 0, 0));
}

#[tokio::test]
async fn an_export_has_ones_own_words_of_a_report_and_nothing_of_the_other() {
    let server = TestServer::start().await;
    let ([one, other], [mut ada, mut bob], room) = room_of_two(&server).await;
    chat(&mut ada, &mut bob, room, "hello").await;
    chat(&mut bob, &mut ada, room, "a word of bob's").await;
    chat(&mut ada, &mut bob, room, "please stop").await;
    for reason in ["rude", "still rude"] {
        ada.send(ClientMessage::Report(Report { room_id: room, reason: reason.into() })).await;
        assert!(matches!(ada.next().await, ServerMessage::Reported { .. }));
    }
    let reply = server.get_as("/api/auth/me/export", &one.access).await;
    let text = reply.body.to_string();
    let theirs = [other.id.to_string(), room.to_string(), "a word of bob's".into(), other.email];
    assert!(theirs.iter().all(|theirs| !text.contains(theirs)), "{text}");
    let export: AccountExport = serde_json::from_value(reply.body).expect("an export");
    assert!(export.reports.is_sorted_by(|one, next| one.created_at >= next.created_at));
    // Those of one millisecond are in no order.
    let mut reasons: Vec<_> = export.reports.iter().map(|report| &*report.reason).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["rude", "still rude"]);
    assert!(export.reports.iter().all(|report| report.lines == ["hello", "please stop"]));

    let reply = server.get_as("/api/auth/me/export", &other.access).await;
    assert_eq!(reply.body["reports"], json!([]), "who was reported learns nothing of it");
}

#[tokio::test]
async fn a_deleted_account_is_gone_with_everything_of_it() {
    let server = TestServer::start().await;
    let ([ada, _], [mut peer, _bob], room_id) = room_of_two(&server).await;
    let report = Report { room_id, reason: "rude".into() };
    for decision in [ClientMessage::Report(report), ClientMessage::Block { room_id }] {
        peer.send(decision).await;
    }
    assert!(matches!(peer.next().await, ServerMessage::Reported { .. }));
    assert!(matches!(peer.next().await, ServerMessage::Blocked { .. }));
    let delete = |password: &'static str| {
        let body = json!({ "password": password });
        server.send_as(Method::DELETE, "/api/auth/me", &ada.access, body)
    };
    let reply = delete("wrong horse").await;
    assert_eq!(reply.body["code"], "WRONG_PASSWORD");
    server.post("/api/auth/password/forgot", json!({ "email": ada.email })).await;
    let reset = server.next_code().await.code;

    let reply = delete(PASSWORD).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    assert_eq!(reply.cookie("refresh_token"), "");
    expect_ended(&mut peer).await;
    assert_eq!(server.get_as("/api/auth/me", &ada.access).await.status, StatusCode::UNAUTHORIZED);
    let cookie = format!("refresh_token={}", ada.refresh);
    let refreshed = server.post_with_cookie("/api/auth/refresh", &cookie).await;
    assert_eq!(refreshed.status, StatusCode::UNAUTHORIZED);
    assert_eq!(server.login(&ada.email, PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    let body =
        json!({ "email": ada.email, "otp": reset, "newPassword": "purple monkey dishwasher" });
    let reply = server.post("/api/auth/password/reset", body).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);

    let id = ada.id.to_string();
    let server = server
        .restarted(|records| {
            for (name, entries) in records {
                // Digests of refresh tokens name no one and go when those would have run out.
                for (key, value) in entries.iter().filter(|_| name != "refresh_tokens") {
                    let text = String::from_utf8_lossy(value);
                    assert!(!key.starts_with(ada.id.as_bytes()), "{name:?}");
                    // A whole word, as the digits of a random id may well spell the name.
                    let mut words = text.split(|letter: char| !letter.is_alphanumeric());
                    assert!(!text.contains(&id), "{name:?}: {text}");
                    assert!(words.all(|word| word != "ada"), "{name:?}: {text}");
                }
            }
        })
        .await;
    assert_eq!(
        server.sign_up("ada").await.status,
        StatusCode::CREATED,
        "name and address are free"
    );
}

#[tokio::test]
async fn blocks_are_listed_and_taken_back() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let reply = server.get_as("/api/auth/blocks", &ada.access).await;
    assert_eq!((reply.status, reply.body), (StatusCode::OK, json!({ "blocks": [] })));
    for id in ["nonsense", "00000000-0000-0000-0000-000000000000"] {
        let path = format!("/api/auth/blocks/{id}");
        let reply = server.send_as(Method::DELETE, &path, &ada.access, Value::Null).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
    }
    let room = "6f1c2f6e-2f0a-4a43-9a77-0d3b5b0f5c11";
    let stranger = [7; 12];
    let server = server
        .restarted(|records| {
            let block = json!({ "room": room, "blocked": "07".repeat(12), "since": 0 });
            let record = json!({ "v": 1, "value": block }).to_string();
            let key = [&ada.id.as_bytes()[..], &stranger].concat();
            records.entry("blocks".into()).or_default().insert(key, record.into_bytes());
        })
        .await;
    let reply = server.get_as("/api/auth/blocks", &ada.access).await;
    let listed = json!({ "blocks": [{ "id": room, "createdAt": "1970-01-01T00:00:00.000Z" }] });
    assert_eq!(reply.body, listed, "who it is stays unsaid");
    let eve = server.member("eve").await;
    let path = format!("/api/auth/blocks/{room}");
    let reply = server.send_as(Method::DELETE, &path, &eve.access, Value::Null).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    let reply = server.send_as(Method::DELETE, &path, &ada.access, Value::Null).await;
    assert_eq!(reply.status, StatusCode::OK);
    let reply = server.get_as("/api/auth/blocks", &ada.access).await;
    assert_eq!(reply.body, json!({ "blocks": [] }));
}
