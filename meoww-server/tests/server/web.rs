//! Socket.IO clients of the registries, each in a process of its own.

use std::{path::Path, process::Stdio};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::harness::{Member, TestServer, patiently};

const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/socketio-client");

/// A client and its version.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Library {
    /// A package of the official client, by its name in `package.json`.
    JavaScript(&'static str),
    /// python-socketio with one thread a client, or with asyncio.
    Python(&'static str),
}

impl Library {
    pub(crate) const NEWEST: Self = Self::JavaScript("socket.io-client");

    fn command(self) -> Command {
        let mut command = match self {
            Self::JavaScript(package) => {
                let installed = Path::new(CLIENT).join("node_modules").join(package);
                assert!(installed.exists(), "{package} is missing: run `scripts/setup test`");
                let mut node = Command::new("node");
                node.args(["bridge.mjs", package]);
                node
            }
            Self::Python(kind) => {
                let target = Path::new(env!("CARGO_BIN_EXE_meoww-server")).ancestors().nth(2);
                let python = target.expect("a target folder").join("socketio/bin/python");
                assert!(python.exists(), "python-socketio is missing: run `scripts/setup test`");
                let mut python = Command::new(python);
                python.args(["bridge.py", kind]);
                python
            }
        };
        command.current_dir(CLIENT);
        command
    }
}

pub(crate) struct Web {
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Web {
    /// Begins to connect with any options of the newest client.
    pub(crate) async fn open(server: &TestServer, options: Value) -> Self {
        Self::open_by(Library::NEWEST, server, options).await
    }

    async fn open_by(library: Library, server: &TestServer, options: Value) -> Self {
        Self::open_at(library, &server.url, options).await
    }

    async fn open_at(library: Library, url: &str, options: Value) -> Self {
        let mut process = library
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts; `scripts/setup test` installs it");
        let input = process.stdin.take().expect("piped");
        let output = BufReader::new(process.stdout.take().expect("piped")).lines();
        let mut web = Self { input, output, _process: process };
        web.tell(json!({ "connect": url, "options": options })).await;
        web
    }

    /// As the web front end connects: with its cookie, by the given transports.
    pub(crate) async fn connect(server: &TestServer, member: &Member, transports: &[&str]) -> Self {
        Self::connect_by(Library::NEWEST, server, member, transports).await
    }

    /// Connects to a server at this address with this cookie by WebSocket, and is welcomed.
    pub(crate) async fn at(url: &str, cookie: &str) -> Self {
        let options = json!({ "transports": ["websocket"], "extraHeaders": { "cookie": cookie } });
        let mut web = Self::open_at(Library::NEWEST, url, options).await;
        web.expect("connect", json!([])).await;
        web.expect_event("welcome").await;
        web
    }

    pub(crate) async fn connect_by(
        library: Library,
        server: &TestServer,
        member: &Member,
        transports: &[&str],
    ) -> Self {
        let cookie = format!("access_token={}", member.access);
        let options = json!({ "transports": transports, "extraHeaders": { "cookie": cookie } });
        let mut web = Self::open_by(library, server, options).await;
        let mut expected =
            vec![("connect", json!([])), ("welcome", json!([{ "userId": member.id }]))];
        if let [_, to] = transports {
            expected.push(("upgrade", json!([to])));
        }
        // An upgrade comes whenever it is done.
        web.expect_all(expected).await;
        web
    }

    async fn tell(&mut self, order: Value) {
        let line = format!("{order}\n");
        patiently(self.input.write_all(line.as_bytes())).await.expect("the bridge listens");
    }

    pub(crate) async fn emit(&mut self, event: &str, args: Value) {
        self.tell(json!({ "emit": event, "args": args })).await;
    }

    /// Emits an event and waits for its acknowledgement.
    pub(crate) async fn ask(&mut self, event: &str, args: Value) -> Value {
        self.tell(json!({ "emit": event, "args": args, "ack": true })).await;
        self.expect_event("ack").await
    }

    /// Emits an event whose argument is bytes.
    pub(crate) async fn emit_binary(&mut self, event: &str) {
        self.tell(json!({ "emit": event, "bytes": true })).await;
    }

    /// Sends a Socket.IO packet that the client itself would not write.
    pub(crate) async fn packet(&mut self, text: &str) {
        self.tell(json!({ "packet": text })).await;
    }

    pub(crate) async fn disconnect(&mut self) {
        self.tell(json!({ "disconnect": true })).await;
        self.expect("disconnect", json!(["io client disconnect"])).await;
    }

    /// What happened next, and its arguments; `presence` may come at any time.
    pub(crate) async fn next(&mut self) -> (String, Value) {
        loop {
            let line = patiently(self.output.next_line()).await;
            let line = line.expect("read").expect("the bridge runs");
            let mut happened: Value = serde_json::from_str(&line).expect("JSON");
            let name = happened["on"].as_str().expect("a name").to_owned();
            if name != "presence" {
                return (name, happened["args"].take());
            }
        }
    }

    /// This must happen next.
    pub(crate) async fn expect(&mut self, name: &str, args: Value) {
        assert_eq!(self.next().await, (name.to_owned(), args));
    }

    /// These must happen next, in any order.
    pub(crate) async fn expect_all(&mut self, mut expected: Vec<(&str, Value)>) {
        while !expected.is_empty() {
            let (name, args) = self.next().await;
            let known = expected.iter().position(|(n, a)| *n == name && *a == args);
            expected.remove(known.unwrap_or_else(|| panic!("{name} {args}")));
        }
    }

    /// Emits an event that is acknowledged as done and leads to these events, in any order.
    pub(crate) async fn ask_for(
        &mut self,
        event: &str,
        args: Value,
        mut expected: Vec<(&str, Value)>,
    ) {
        self.tell(json!({ "emit": event, "args": args, "ack": true })).await;
        expected.push(("ack", json!([{ "ok": true }])));
        self.expect_all(expected).await;
    }

    /// An event of this name must come next; gives its payload.
    pub(crate) async fn expect_event(&mut self, name: &str) -> Value {
        let (next, mut args) = self.next().await;
        assert_eq!(next, name, "{args}");
        args[0].take()
    }

    /// An error of this code must come next.
    pub(crate) async fn expect_error(&mut self, code: &str) {
        let error = self.expect_event("error").await;
        assert_eq!(error["code"], code, "{error}");
    }
}
