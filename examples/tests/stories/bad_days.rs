//! What goes wrong, and how it is said: a sentence, and an exit code of its own.

use std::{
    io::{Read, Write},
    net::TcpListener,
    process::Command,
    sync::mpsc::sync_channel,
    thread,
    time::Duration,
};

use crate::{
    server::{Server, program},
    terminal::Terminal,
    user::User,
};

#[test]
fn servers_that_are_none() {
    let server = Server::start();
    let anna = User::new("anna", &server);
    anna.meoww(&["me", "--server", "nonsense"]).failed(10, "Write it as http://HOST:PORT");

    let closed =
        TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let down = format!("http://{closed}");
    anna.meoww(&["login", "--email", "a@b.c", "--server", &down]).failed(12, "Cannot reach");
    let login = |answer| {
        let address = web_server(answer);
        anna.meoww(&["login", "--email", "a@b.c", "--server", &address])
    };
    login("200 OK\r\ncontent-length: 5\r\n\r\nhello").failed(11, "not as a Meoww server");
    login(
        "308 Moved\r\nlocation: https://meoww.example/api/auth/login\r\ncontent-length: 0\r\n\r\n",
    )
    .failed(11, "--server https://meoww.example\n");
    login("502 Bad Gateway\r\ncontent-length: 3\r\n\r\nuh?").failed(12, "try again");
}

#[test]
fn a_certificate_that_nobody_knows() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("made");
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let cert = file("cert.pem", made.cert.pem());
    let key = file("key.pem", made.signing_key.serialize_pem());
    let server = Server::start_with(&[("MEOWW_TLS_CERT", &cert), ("MEOWW_TLS_KEY", &key)]);
    let mut anna = User::new("anna", &server);
    anna.sign_up().failed(25, "SSL_CERT_FILE");
    anna.env.push(("SSL_CERT_FILE".to_owned(), cert));
    anna.sign_up().succeeded();
    anna.meoww(&["verify", &server.code(&anna.email())]).succeeded();
    let search = ["search", "--headless", "--camera", "none"];
    anna.meoww_with(&search, &[("SSL_CERT_FILE", "/dev/null")]).failed(25, "SSL_CERT_FILE");
}

/// The address of something that speaks HTTP, but not Meoww: it answers once.
fn web_server(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("a client");
        let _ = client.read(&mut [0; 4096]);
        let _ = write!(client, "HTTP/1.1 {answer}");
    });
    address
}

#[test]
fn accounts_and_sessions() {
    let server = Server::start();
    let anna = User::new("anna", &server);
    anna.meoww(&["me"]).failed(13, "meoww login");
    // Without a session no camera is opened, so it is no matter what is wrong with it.
    anna.meoww(&["search", "--headless", "--camera", "nowhere.y4m"]).failed(13, "meoww login");
    anna.sign_up().succeeded();
    anna.sign_up().failed(19, "taken");
    anna.meoww(&["login", "--email", &anna.email()]).failed(16, "meoww verify");
    let right = server.code(&anna.email());
    let wrong = if right == "000000" { "000001" } else { "000000" };
    anna.meoww(&["verify", wrong]).failed(17, "Wrong code");
    for _ in 0..4 {
        anna.meoww(&["verify", wrong]);
    }
    anna.meoww(&["verify", &right]).failed(18, "meoww resend");
    anna.meoww(&["resend"]).succeeded();
    anna.meoww(&["verify", &server.code(&anna.email())]).succeeded();
    anna.meoww_with(&["login", "--email", &anna.email()], &[("MEOWW_PASSWORD", "not it at all")])
        .failed(15, "Wrong e-mail address or password");
    anna.meoww(&["me"]).succeeded();
    anna.meoww(&["logout"]).succeeded();
    anna.meoww(&["me"]).failed(13, "Not logged in");
}

#[test]
fn a_session_ended_elsewhere_is_expired_here() {
    let server = Server::start();
    let anna = User::with_account("anna", &server);
    let state = anna.environment()[1].1.clone();
    let file = format!("{state}/meoww/sessions.json");
    let kept = std::fs::read(&file).expect("a session");
    anna.meoww(&["logout"]).succeeded();
    std::fs::write(&file, kept).expect("written");
    anna.meoww(&["me"]).failed(14, "meoww login");
}

#[test]
fn fields_that_break_a_rule_are_named() {
    let server = Server::start();
    let anna = User::new("anna", &server);
    let sign_up = |username, password: &str| {
        let arguments =
            ["signup", "--name", "A", "--email", "a@example.org", "--username", username];
        anna.meoww_with(&arguments, &[("MEOWW_PASSWORD", password)])
    };
    sign_up("x", "correct horse").failed(20, "sername");
    sign_up("anna", "short").failed(20, "assword");
}

#[test]
fn cameras_and_files() {
    let server = Server::start();
    let anna = User::with_account("anna", &server);
    let search = |camera| anna.meoww(&["search", "--headless", "--camera", camera]);
    search("9").failed(30, "There is no camera 9");
    search("nowhere.y4m").failed(33, "cannot be read");
    let mut film = tempfile::NamedTempFile::with_suffix(".mp4").expect("a file");
    film.write_all(b"meow").expect("written");
    let film = film.path().to_str().expect("UTF-8");
    anna.meoww_with(&["search", "--headless", "--camera", film], &[("PATH", "/nowhere")])
        .failed(35, "needs ffmpeg");
    search(film).failed(33, "cannot be read");
}

/// A pipe without a writer keeps ffmpeg waiting for ever.
#[test]
fn a_killed_client_leaves_no_ffmpeg_behind() {
    let server = Server::start();
    let anna = User::with_account("anna", &server);
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe.mp4");
    let pipe = pipe.to_str().expect("UTF-8");
    let made = Command::new("mkfifo").arg(pipe).status().expect("run");
    assert!(made.success());
    let mut client = Command::new(program("meoww"))
        .args(["search", "--headless", "--camera", pipe])
        .envs(anna.environment())
        .spawn()
        .expect("started");
    patiently(pipe, true);
    client.kill().expect("SIGKILL");
    client.wait().expect("it is gone");
    patiently(pipe, false);
}

/// Waits until an ffmpeg is at work on `path`, or none is.
#[track_caller]
fn patiently(path: &str, at_work: bool) {
    let path = path.to_owned();
    let is_at_work = move || {
        std::fs::read_dir("/proc").expect("Linux has it").flatten().any(|process| {
            let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            line.starts_with(b"ffmpeg") && String::from_utf8_lossy(&line).contains(&path)
        })
    };
    let (over, waited) = sync_channel(1);
    thread::spawn(move || {
        while is_at_work() != at_work {
            thread::yield_now();
        }
        over.send(())
    });
    waited.recv_timeout(Duration::from_secs(30)).expect("not yet");
}

#[test]
fn screens_that_do_not_do() {
    let server = Server::start();
    let anna = User::with_account("anna", &server);
    anna.meoww(&["search"]).failed(40, "--headless");

    let at = |arguments: &[&str], locale: &str, size| {
        let mut environment = anna.environment();
        environment.push(("LC_ALL".to_owned(), locale.to_owned()));
        Terminal::run(&program("meoww"), arguments, environment, size)
    };
    let small = at(&["search", "--camera", "none"], "C.UTF-8", (30, 8));
    small.wait_for("at least");
    assert_eq!(small.ended(), 41);
    let old = at(&["search", "--camera", "none", "--render", "half"], "C", (100, 30));
    old.wait_for("UTF-8");
    assert_eq!(old.ended(), 42);
    let mut letters = at(&["search", "--camera", "none"], "C", (100, 30));
    letters.wait_for("searching");
    letters.press("\x03");
    assert_eq!(letters.ended(), 0);
}

#[test]
fn errors_are_json_for_scripts() {
    let server = Server::start();
    let anna = User::new("anna", &server);
    let ended = anna.meoww(&["--json", "me"]);
    let error: serde_json::Value = serde_json::from_str(&ended.stderr).expect("JSON");
    assert_eq!((&error["code"], &error["exitCode"]), (&"not-logged-in".into(), &13.into()));
}

/// As in `meoww me | true`; a disk that is full is another matter.
#[test]
fn a_reader_that_is_gone_is_no_error() {
    let server = Server::start();
    let anna = User::with_account("anna", &server);
    let me = |stdout: std::process::Stdio| {
        let mut command = Command::new(program("meoww"));
        let ended = command.arg("me").envs(anna.environment()).stdout(stdout).output();
        let ended = ended.expect("run");
        (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
    };
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    assert_eq!(me(writer.into()), (Some(0), String::new()));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let (code, said) = me(full.into());
    assert!(code == Some(1) && said.contains("No space left"), "{code:?} {said}");
}

/// Neither stderr nor the log takes a byte, or there is no log to be had.
#[test]
fn an_error_that_nobody_can_read_has_its_exit_code() {
    let server = Server::start();
    let anna = User::new("anna", &server);
    let state = anna.environment()[1].1.clone();
    let log = std::path::Path::new(&state).join("meoww/meoww.log");
    let ended = || {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
        let mut command = Command::new(program("meoww"));
        command.arg("me").envs(anna.environment()).env("MEOWW_LOG", "trace").stderr(full);
        command.status().expect("run").code()
    };
    assert_eq!(ended(), Some(13));
    let mode = std::fs::metadata(&log).expect("a log").permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    std::fs::remove_file(&log).expect("removed");
    std::os::unix::fs::symlink("/dev/full", &log).expect("a link");
    assert_eq!(ended(), Some(13));
    std::fs::remove_file(&log).expect("removed");
    std::fs::create_dir(&log).expect("a folder in its place");
    assert_eq!(ended(), Some(13));
}
