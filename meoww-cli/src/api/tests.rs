//! Two windows of one account, with one file of sessions between them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Barrier,
};

use crate::testing::logged_in;

const USER: &str = r#"{"_id":"070707070707070707070707","name":"Anna","username":"anna",
    "email":"anna@example.org","profileImage":"","isVerified":true,
    "createdAt":"2026-01-01T00:00:00.000Z"}"#;

/// A server that refuses the access token both windows have, once both have come with it.
#[derive(Clone)]
struct Server {
    both: Arc<Barrier>,
    refreshes: Arc<AtomicUsize>,
}

impl Server {
    #[expect(clippy::disallowed_methods, reason = "ended with the runtime of the test")]
    async fn serve(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(self.clone().answer(stream));
        }
    }

    async fn answer(self, stream: TcpStream) {
        let (mut stream, mut head) = (BufReader::new(stream), String::new());
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(stream.read_line(&mut head).await.expect("text"), 0, "{head}");
        }
        let head = head.to_lowercase();
        let (status, body) = if head.starts_with("post /api/auth/refresh ") {
            assert!(head.contains("refresh_token=first"), "{head}");
            self.refreshes.fetch_add(1, SeqCst);
            let cookies = "set-cookie: access_token=new\r\nset-cookie: refresh_token=second";
            (format!("200 OK\r\n{cookies}"), "{}")
        } else if head.contains("authorization: bearer new") {
            ("200 OK".to_owned(), USER)
        } else {
            self.both.wait().await;
            ("401 Unauthorized".to_owned(), r#"{"error":"Invalid token"}"#)
        };
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).await.expect("sent");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[expect(clippy::disallowed_methods, reason = "ended with the runtime of the test")]
async fn two_windows_that_are_refused_at_once_spend_one_refresh_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let windows = [(); 2].map(|()| logged_in(&listener, folder.path()));
    let refreshes = Arc::<AtomicUsize>::default();
    let server = Server { both: Arc::new(Barrier::new(2)), refreshes: refreshes.clone() };
    tokio::spawn(server.serve(listener));
    // Tasks of their own: one of them waits for a lock that the other holds.
    let asking = windows.map(|api| tokio::spawn(async move { (api.me().await, api) }));
    for asked in asking {
        let (me, api) = asked.await.expect("it ends");
        assert_eq!(me.expect("logged in").username, "anna");
        assert_eq!(api.access_token().expect("kept"), "new");
    }
    assert_eq!(refreshes.load(SeqCst), 1);
}
