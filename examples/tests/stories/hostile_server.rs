//! A server that answers with what a terminal acts on: no command passes it on.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};

use crate::user::User;

/// Clears the screen, colours, writes from right to left, and begins a line of its own.
const HOSTILE: &str = "x\u{1b}[2J\u{9b}31m\u{202e}\u{7f}\r\nforged\u{2028}forged\u{85}forged";

/// Has every field that any answer of the API has.
fn answer() -> Value {
    let id = "0123456789abcdef01234567";
    let user = json!({
        "_id": id, "name": HOSTILE, "username": HOSTILE, "email": HOSTILE,
        "profileImage": HOSTILE, "isVerified": true, "createdAt": HOSTILE,
    });
    let session = json!({
        "id": HOSTILE, "createdAt": HOSTILE, "refreshedAt": HOSTILE, "expiresAt": HOSTILE,
        "client": HOSTILE, "current": false,
    });
    let mut answer = json!({
        "status": HOSTILE, "message": HOSTILE, "error": HOSTILE, "userId": id, "user": user,
        "sessions": [session], "blocks": [{ "id": HOSTILE, "createdAt": HOSTILE }],
    });
    let fields = answer.as_object_mut().expect("an object");
    fields.extend(user.as_object().expect("an object").clone());
    answer
}

/// Serves `status` and [`answer`] for ever; returns its address.
fn serve(status: Arc<Mutex<&'static str>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let status = *status.lock().expect("not poisoned");
            thread::spawn(move || respond(&client, status));
        }
    });
    address
}

fn respond(mut client: &TcpStream, status: &str) -> Option<()> {
    let mut lines = BufReader::new(client);
    let mut length = 0;
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok()?;
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
    }
    lines.read_exact(&mut vec![0; length]).ok()?;
    let body = answer().to_string();
    let length = body.len();
    write!(
        client,
        "HTTP/1.1 {status}\r\nset-cookie: access_token=a\r\nset-cookie: refresh_token=r\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .ok()
}

const COMMANDS: [&[&str]; 16] = [
    &["signup", "--name", "a", "--username", "a", "--email", "a@b.c"],
    &["verify", "123456", "--user-id", "0123456789abcdef01234567"],
    &["resend", "--user-id", "0123456789abcdef01234567"],
    &["login", "--email", "a@b.c"],
    &["me"],
    &["sessions"],
    &["sessions", "revoke", "x"],
    &["sessions", "revoke-others"],
    &["password", "change"],
    &["password", "forgot", "--email", "a@b.c"],
    &["email", "change", "a@b.c"],
    &["email", "confirm", "123456"],
    &["blocks"],
    &["unblock", "x"],
    &["account", "export"],
    &["search", "--headless", "--camera", "none"],
];

/// Of what a terminal acts on, only line breaks, and no line of the server's own.
#[track_caller]
fn is_harmless(said: &str) {
    let acts = |c: char| c.is_control() && c != '\n' || ('\u{2028}'..='\u{202e}').contains(&c);
    assert!(!said.contains(acts), "{said:?}");
    assert!(!said.lines().any(|line| line.trim_start().starts_with("forged")), "{said:?}");
}

#[test]
fn nothing_a_terminal_acts_on_is_passed_on() {
    let status = Arc::new(Mutex::new("200 OK"));
    let anna = User::at("anna", &serve(status.clone()));
    let env = [("MEOWW_NEW_PASSWORD", "a staple and a battery")];
    for answered in ["200 OK", "400 Bad Request", "401 Unauthorized", "429 Slow Down"] {
        for command in COMMANDS {
            for form in [&[][..], &["--json"]] {
                *status.lock().expect("not poisoned") = "200 OK";
                anna.meoww(&["login", "--email", "a@b.c"]).succeeded();
                *status.lock().expect("not poisoned") = answered;
                let said = anna.meoww_with(&[command, form].concat(), &env);
                for said in [said.stdout, said.stderr] {
                    is_harmless(&said);
                    let is_json = |line| serde_json::from_str::<Value>(line).is_ok();
                    assert!(form.is_empty() || said.lines().all(is_json), "{said}");
                }
            }
        }
    }
}
