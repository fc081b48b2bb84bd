//! Photos in a bucket, as an operator sets it up: the real program, and moto in the place of S3.

use std::{path::Path, process::Stdio};

use reqwest::{Client, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    net::TcpSocket,
    process::{Child, ChildStderr, Command},
};

use crate::{
    harness::{PASSWORD, patiently},
    operator::Operator,
    photos::{FORM, fields, form, photo, png},
    process::{Process, command},
};

const BUCKET: &str = "meoww-photos";

/// Speaks S3 on this machine; dropping it kills it.
struct Moto {
    endpoint: String,
    _child: Child,
    /// Closed at this end, its next word would end it.
    _said: Lines<BufReader<ChildStderr>>,
}

impl Moto {
    /// Returns when it listens, with an empty bucket.
    async fn start() -> Self {
        // A client needs one, and no server of this process may have run before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let target = Path::new(env!("CARGO_BIN_EXE_meoww-server")).ancestors().nth(2);
        let program = target.expect("a target folder").join("moto/bin/moto_server");
        assert!(program.exists(), "moto is not installed: run `scripts/setup test`");
        let mut child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("moto starts; `scripts/setup test` installs it");
        let mut said = BufReader::new(child.stderr.take().expect("piped")).lines();
        let endpoint = patiently(async {
            loop {
                let line = said.next_line().await.expect("text").expect("moto is up");
                if let Some((_, endpoint)) = line.split_once("Running on ") {
                    return endpoint.trim().to_owned();
                }
            }
        })
        .await;
        let made = Client::new().put(format!("{endpoint}/{BUCKET}")).send();
        assert_eq!(patiently(made).await.expect("an answer").status(), StatusCode::OK);
        Self { endpoint, _child: child, _said: said }
    }

    /// Names of what is in the bucket.
    async fn objects(&self) -> Vec<String> {
        let listing = patiently(reqwest::get(format!("{}/{BUCKET}", self.endpoint))).await;
        let listing = listing.expect("an answer").text().await.expect("text");
        let keys = listing.split("<Key>").skip(1);
        keys.map(|rest| rest.split("</Key>").next().expect("text").to_owned()).collect()
    }
}

async fn server(operator: &Operator, endpoint: &str) -> Process {
    let mut command = command(&operator.data());
    command.envs([
        ("MEOWW_PHOTO_STORE", format!("s3://{BUCKET}/people/").as_str()),
        ("AWS_ENDPOINT", endpoint),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "meoww"),
        ("AWS_SECRET_ACCESS_KEY", "moto looks at none"),
    ]);
    Process::spawn(command.stderr(Stdio::null())).await
}

async fn sign_up(server: &Process, parts: Vec<Vec<u8>>) -> (StatusCode, Value) {
    let request = Client::new().post(format!("{}/api/auth/signup", server.url));
    let request = request.header(FORM.0, FORM.1).body(form(parts));
    taken_apart(patiently(request.send()).await.expect("an answer")).await
}

async fn taken_apart(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let text = response.text().await.expect("text");
    (status, serde_json::from_str(&text).unwrap_or_default())
}

fn with_photo(name: &str) -> Vec<Vec<u8>> {
    fields(name).into_iter().chain([photo(&png())]).collect()
}

#[tokio::test]
async fn a_photo_lives_in_the_bucket_as_long_as_its_account() {
    let moto = Moto::start().await;
    let operator = Operator::new();
    let server = server(&operator, &moto.endpoint).await;
    let (status, body) = sign_up(&server, with_photo("ada")).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    let objects = moto.objects().await;
    let [object] = &objects[..] else { panic!("{objects:?}") };
    assert!(!operator.data().join("photos").exists(), "and nowhere else");

    operator.ask(&["user", "verify", "ada"]).await;
    let http = Client::builder().cookie_store(true).build().expect("a client");
    let login = json!({ "email": "ada@example.com", "password": PASSWORD });
    let login = http.post(format!("{}/api/auth/login", server.url)).json(&login).send();
    let (status, session) = taken_apart(patiently(login).await.expect("an answer")).await;
    assert_eq!(status, StatusCode::OK, "{session}");
    let path = session["user"]["profileImage"].as_str().expect("a path");
    assert_eq!(object.strip_prefix("people"), path.strip_prefix("/photos"));
    let shown = patiently(reqwest::get(format!("{}{path}", server.url))).await.expect("an answer");
    assert_eq!(shown.headers()[header::CONTENT_TYPE], "image/jpeg");
    let picture = image::load_from_memory(&shown.bytes().await.expect("bytes")).expect("a JPEG");
    assert_eq!((picture.width(), picture.height()), (400, 400));

    let delete = http.delete(format!("{}/api/auth/me", server.url));
    let delete = delete.json(&json!({ "password": PASSWORD })).send();
    let (status, body) = taken_apart(patiently(delete).await.expect("an answer")).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(moto.objects().await, Vec::<String>::new());
    let gone = patiently(reqwest::get(format!("{}{path}", server.url))).await.expect("an answer");
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    server.stop().await;
}

#[tokio::test]
async fn a_bucket_that_does_not_answer_stops_photos_only() {
    // Taken, and nobody listens.
    let taken = TcpSocket::new_v4().expect("a socket");
    taken.bind("127.0.0.1:0".parse().expect("an address")).expect("bound");
    let endpoint = format!("http://{}", taken.local_addr().expect("bound"));
    let operator = Operator::new();
    let server = server(&operator, &endpoint).await;
    let (status, body) = sign_up(&server, with_photo("ada")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    assert_eq!(body["error"], "Server is busy, please try again in a moment.");
    let (status, body) = sign_up(&server, fields("ada")).await;
    assert_eq!(status, StatusCode::CREATED, "the name and the address are free: {body}");
    server.stop().await;
}
