//! Access tokens made by somebody who knows more than an outsider should.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use meoww_server::config::{Limits, Secret};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite;

use crate::{
    harness::{Member, TestServer},
    jwt::signed,
};

const KEY: &str = "kD83jf02jfLq9vnA71bXz6mWp4RtYcQe";

async fn start() -> TestServer {
    TestServer::with(|config| {
        config.limits = Limits::OFF;
        config.access_secret = Some(Secret::new(KEY.into()));
    })
    .await
}

fn claims(member: &Member) -> Value {
    let payload = member.access.split('.').nth(1).expect("a payload");
    let bytes = URL_SAFE_NO_PAD.decode(payload).expect("base64");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// A token whose head says what it likes over the signature of another.
fn with_head(token: &str, head: &Value) -> String {
    let (_, rest) = token.split_once('.').expect("three parts");
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(head.to_string()))
}

/// Neither a request nor a socket, however the token comes.
async fn expect_refused(server: &TestServer, token: &str) {
    let bearer = format!("Bearer {token}");
    let cookie = format!("access_token={token}");
    for header in [("authorization", &*bearer), ("cookie", &*cookie)] {
        let reply = server.send(reqwest::Method::GET, "/api/auth/me", &[header], "").await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{token}");
        match server.open("", &[header]).await {
            Err(tungstenite::Error::Http(response)) => {
                assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{token}");
            }
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("a socket for {token}"),
        }
    }
}

#[tokio::test]
async fn forged_tokens_open_nothing() {
    let server = start().await;
    let (ada, eve) = (server.member("ada").await, server.member("eve").await);
    let good = claims(&ada);
    let again = signed("HS256", &good, KEY);
    assert_eq!(server.get_as("/api/auth/me", &again).await.status, StatusCode::OK, "tools work");

    let unsigned = again.rsplit_once('.').expect("three parts").0;
    let mut forged = vec![
        signed("HS256", &good, "another key of thirty-two bytes!"),
        signed("HS256", &good, ""),
        signed("HS384", &good, KEY),
        signed("HS512", &good, KEY),
        format!("{again}."),
        format!("{again}.{again}"),
        format!("{unsigned}."),
        unsigned.to_owned(),
        again.replace('.', ".."),
    ];
    for algorithm in ["none", "None", "nOnE", "", "RS256", "ES256", "EdDSA", "hs256"] {
        let head = json!({ "typ": "JWT", "alg": algorithm });
        forged.push(with_head(&again, &head));
        forged.push(format!("{}.", with_head(unsigned, &head)));
    }
    let own_key = URL_SAFE_NO_PAD.encode("mine");
    let jwk =
        json!({ "alg": "HS256", "jwk": { "kty": "oct", "k": own_key }, "kid": "../../dev/null" });
    forged.push(with_head(&signed("HS256", &good, "mine"), &jwk));
    for token in forged {
        expect_refused(&server, &token).await;
    }

    let eves = claims(&eve);
    for (claim, value) in [
        ("typ", json!("refresh")),
        ("typ", Value::Null),
        ("iss", json!("elsewhere")),
        ("aud", json!("elsewhere")),
        ("aud", json!([])),
        ("exp", json!(1)),
        ("exp", json!(-1e300)),
        ("exp", json!("never")),
        ("exp", Value::Null),
        // Another's name under one's own session, and the other way round.
        ("sub", eves["sub"].clone()),
        ("sid", eves["sid"].clone()),
        ("sid", json!("00000000-0000-0000-0000-000000000000")),
        ("sub", json!({ "$ne": "" })),
    ] {
        let mut claims = good.clone();
        claims[claim] = value;
        expect_refused(&server, &signed("HS256", &claims, KEY)).await;
    }
    for claim in ["typ", "iss", "aud", "sub", "sid", "exp"] {
        let mut claims = good.clone();
        claims.as_object_mut().expect("an object").remove(claim);
        expect_refused(&server, &signed("HS256", &claims, KEY)).await;
    }
}

#[tokio::test]
async fn a_token_is_good_on_the_server_that_made_it_only() {
    let (here, there) = (TestServer::start().await, TestServer::start().await);
    let ada = here.member("ada").await;
    expect_refused(&there, &ada.access).await;
    let elsewhere = format!("refresh_token={}", ada.refresh);
    let reply = there.post_with_cookie("/api/auth/refresh", &elsewhere).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_code_is_for_the_account_it_was_mailed_to() {
    let server = start().await;
    let ada = server.sign_up("ada").await.body["userId"].as_str().expect("an id").to_owned();
    let for_ada = server.next_code().await.code;
    let eve = server.sign_up("eve").await.body["userId"].as_str().expect("an id").to_owned();
    let for_eve = server.next_code().await.code;
    if for_ada != for_eve {
        assert_eq!(server.verify(&eve, &for_ada).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(server.verify(&ada, &for_eve).await.status, StatusCode::BAD_REQUEST);
    }
    for (user, code) in [(&ada, &for_ada), (&eve, &for_eve)] {
        assert_eq!(server.verify(user, code).await.status, StatusCode::OK);
        assert_eq!(server.verify(user, code).await.status, StatusCode::BAD_REQUEST, "replayed");
    }
}
