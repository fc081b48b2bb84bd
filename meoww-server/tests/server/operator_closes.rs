//! What an operator does to an account reaches those who are connected.

use futures_util::StreamExt;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::{harness::patiently, operator::Operator};

#[tokio::test]
async fn a_ban_a_new_password_and_a_deletion_end_sessions_and_close_sockets() {
    let operator = Operator::new();
    let server = operator.server().await;
    for (command, stdin, word) in [
        (&["ban", "--reason", "spam"][..], "", "banned"),
        (&["set-password"], "a fine new horse\n", "session-ended"),
        (&["delete"], "", "session-ended"),
    ] {
        let create = ["user", "create", "--count", "1", "--verified", "--tokens"];
        let made = operator.ask(&create).await;
        let (id, cookie) = (made["id"].as_str().expect("an id"), &made["cookie"]);
        let cookie = cookie.as_str().expect("a cookie");
        let url = format!("{}/ws", server.url.replace("http", "ws"));
        let mut request = url.into_client_request().expect("a request");
        request.headers_mut().insert("cookie", cookie.parse().expect("a value"));
        let connecting = tokio_tungstenite::connect_async(request);
        let (mut socket, _) = patiently(connecting).await.expect("a socket");
        let welcome = patiently(socket.next()).await.expect("open").expect("a message");
        assert!(welcome.into_text().expect("text").contains("welcome"));
        assert_eq!(operator.ask(&["stats"]).await["live"]["connections"], 1);

        let arguments = [&["user", command[0], id], &command[1..]].concat();
        let said = operator.types_with(&arguments, &[], stdin).await;
        assert_eq!(said.code, 0, "{command:?}: {}", said.err);
        let mut told = String::new();
        // It answers pings: of itself it would stay.
        let closed = async {
            while let Some(Ok(message)) = socket.next().await {
                told.push_str(message.to_text().unwrap_or_default());
            }
        };
        patiently(closed).await;
        assert!(told.contains(word), "{command:?}: {told}");
        assert_eq!(operator.ask(&["stats"]).await["live"]["connections"], 0, "{command:?}");
        let left = operator.ask(&["db", "check"]).await;
        assert_eq!(left["records"]["session"], 0, "{command:?}: {left}");
        let me = reqwest::Client::new().get(format!("{}/api/auth/me", server.url));
        let answer = patiently(me.header("cookie", cookie).send()).await.expect("an answer");
        assert!(answer.status().is_client_error(), "{command:?}");
    }
    server.stop().await;
}
