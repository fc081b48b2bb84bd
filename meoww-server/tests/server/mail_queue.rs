//! Mail that a mail server does not take at once: it waits on disk, and goes when one does.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use meoww_server::{
    core::{
        account::Email,
        mail_queue::{MailSubject, QueuedMail},
        otp,
    },
    store::{Batch, MailDue, Merge, Reissue, Store},
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::engine::on_both_engines;
use crate::{
    export::exported,
    harness::{PASSWORD, patiently},
    process::{Process, command},
    smtp::{Sink, code_in, mails, sign_up},
    store::{START, account, create},
    store_accounts::{code, member},
};

/// Deliveries that may be under way at once.
const MAX_DELIVERIES: usize = 64;

/// A mail server that accepts connections and says nothing.
async fn silent_server() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("smtp://{}", listener.local_addr().expect("bound"));
    (listener, url)
}

/// A mail server with "greylisting": it asks for every mail to be sent again later.
async fn busy_server() -> String {
    let (listener, url) = silent_server().await;
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(ask_for_later(stream));
        }
    });
    url
}

async fn ask_for_later(stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 busy.example ESMTP\r\n").await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let reply = match line.get(..4) {
            Some("MAIL") => "451 4.7.1 Try again later\r\n",
            _ => "250 busy.example\r\n",
        };
        stream.write_all(reply.as_bytes()).await?;
        line.clear();
    }
    Ok(())
}

async fn process_with(data: &Path, smtp: &str) -> Process {
    let mut command = command(data);
    for limit in ["RESEND", "VERIFY", "ACCOUNT_CODE"] {
        command.env(format!("MEOWW_LIMIT_{limit}"), "off");
    }
    Process::spawn(command.env("MEOWW_SMTP_URL", smtp).stderr(Stdio::null())).await
}

/// Returns the first mail of a purpose that arrives.
async fn arrival(maildir: &Path, subject: &str) -> String {
    patiently(async {
        loop {
            match mails(maildir).into_iter().find(|mail| mail.contains(subject)) {
                Some(mail) => return mail,
                None => tokio::task::yield_now().await,
            }
        }
    })
    .await
}

async fn post(process: &Process, path: &str, body: &Value) -> (StatusCode, Value) {
    let (http, url) = (reqwest::Client::new(), format!("{}/api/auth/{path}", process.url));
    patiently(Process::post(&http, &url, body)).await.expect("an answer")
}

async fn verify(process: &Process, user: &Value, mail: &str) {
    let body = json!({ "userId": user, "otp": code_in(mail) });
    let (status, reply) = post(process, "verify", &body).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
}

const VERIFY: &str = "Subject: Your Meoww verification code";

#[tokio::test]
async fn a_mail_to_be_sent_later_is_sent_after_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let (data, maildir) = (dir.path().join("data"), dir.path().join("mail"));
    let mut process = process_with(&data, &busy_server().await).await;
    let (status, body) = sign_up(&process).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    process.kill().await;

    let sink = Sink::start(&maildir, &[]).await;
    let process = process_with(&data, &format!("smtp://{}", sink.address)).await;
    verify(&process, &body["userId"], &arrival(&maildir, VERIFY).await).await;
    process.stop().await;
}

#[tokio::test]
async fn a_silent_mail_server_holds_up_neither_resets_nor_sign_ups() {
    let dir = tempfile::tempdir().expect("a directory");
    let (data, maildir) = (dir.path().join("data"), dir.path().join("mail"));
    let sink = Sink::start(&maildir, &[]).await;
    let good = format!("smtp://{}", sink.address);
    let process = process_with(&data, &good).await;
    let (_, body) = sign_up(&process).await;
    verify(&process, &body["userId"], &arrival(&maildir, VERIFY).await).await;
    process.stop().await;
    for entry in std::fs::read_dir(maildir.join("new")).expect("a Maildir") {
        std::fs::remove_file(entry.expect("readable").path()).expect("removed");
    }

    let (silent, url) = silent_server().await;
    let mut process = process_with(&data, &url).await;
    let forgot = json!({ "email": "ada@example.com" });
    let mut connections = Vec::new();
    for _ in 0..MAX_DELIVERIES {
        assert_eq!(post(&process, "password/forgot", &forgot).await.0, StatusCode::OK);
        connections.push(patiently(silent.accept()).await.expect("a connection"));
    }
    let asked = Instant::now();
    assert_eq!(post(&process, "password/forgot", &forgot).await.0, StatusCode::OK);
    assert!(asked.elapsed() <= Duration::from_secs(1), "{:?}", asked.elapsed());
    let asked = Instant::now();
    let bob = crate::harness::signup("bob");
    let (status, body) = post(&process, "signup", &bob).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    assert!(asked.elapsed() <= Duration::from_secs(15), "{:?}", asked.elapsed());
    process.kill().await;

    let process = process_with(&data, &good).await;
    verify(&process, &body["userId"], &arrival(&maildir, VERIFY).await).await;
    let mail = arrival(&maildir, "X-RcptTo: ada@example.com").await;
    let reset = json!({
        "email": "ada@example.com", "otp": code_in(&mail), "newPassword": "green-lamp-7-otter",
    });
    let (status, reply) = post(&process, "password/reset", &reset).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    process.stop().await;
}

async fn logged_in(process: &Process, http: &reqwest::Client, path: &str, body: &Value) -> Value {
    let url = format!("{}/api/auth/{path}", process.url);
    let answer = patiently(Process::post(http, &url, body)).await.expect("an answer");
    assert_eq!(answer.0, StatusCode::OK, "{path}: {}", answer.1);
    answer.1
}

/// The owner of the old address is to learn of a change by a thief, whatever the mail server does.
#[tokio::test]
async fn a_notice_of_a_changed_address_is_sent_after_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let (data, maildir) = (dir.path().join("data"), dir.path().join("mail"));
    let sink = Sink::start(&maildir, &[]).await;
    let good = format!("smtp://{}", sink.address);
    let process = process_with(&data, &good).await;
    let (_, body) = sign_up(&process).await;
    verify(&process, &body["userId"], &arrival(&maildir, VERIFY).await).await;
    let http = reqwest::Client::builder().cookie_store(true).build().expect("a client");
    let login = json!({ "email": "ada@example.com", "password": PASSWORD });
    logged_in(&process, &http, "login", &login).await;
    let change = json!({ "email": "countess@example.com", "password": PASSWORD });
    logged_in(&process, &http, "email", &change).await;
    let code = arrival(&maildir, "X-RcptTo: countess@example.com").await;
    process.stop().await;

    let mut process = process_with(&data, &busy_server().await).await;
    let confirmation = json!({ "otp": code_in(&code) });
    let user = logged_in(&process, &http, "email/confirm", &confirmation).await;
    assert_eq!(user["email"], "countess@example.com");
    process.kill().await;

    let process = process_with(&data, &good).await;
    let notice = arrival(&maildir, "Subject: Your Meoww address was changed").await;
    assert!(notice.contains("X-RcptTo: ada@example.com"), "{notice}");
    assert!(notice.contains("c***@example.com"), "{notice}");
    process.stop().await;
}

#[tokio::test]
async fn a_mail_whose_code_expired_is_given_up_and_the_log_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let (data, maildir) = (dir.path().join("data"), dir.path().join("mail"));
    let mut process = process_with(&data, &busy_server().await).await;
    let (status, body) = sign_up(&process).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    process.kill().await;
    let user = body["userId"].as_str().expect("an id").parse().expect("an id");
    {
        // As if the code had been asked for eleven minutes ago.
        let store = Store::open(&data.join("db")).expect("opened");
        let then = time::OffsetDateTime::now_utc() - otp::LIFETIME - time::Duration::minutes(1);
        let reissued = store.reissue_otp(user, code(user, "123456", then), then).await;
        assert!(matches!(reissued.expect("stored"), Reissue::Queued(_)));
    }

    let sink = Sink::start(&maildir, &[]).await;
    let mut command = command(&data);
    command.env("MEOWW_SMTP_URL", format!("smtp://{}", sink.address));
    let mut process = Process::spawn(&mut command).await;
    let mut log = BufReader::new(process.stderr()).lines();
    let given_up = patiently(async {
        loop {
            let line = log.next_line().await.expect("text").expect("it goes on");
            if line.contains("mail was given up") {
                return line;
            }
        }
    });
    let line = given_up.await;
    assert!(line.contains("it is of no more use") && line.contains("sign-up"), "{line}");
    process.stop().await;
    assert_eq!(mails(&maildir), Vec::<String>::new());
    let store = Store::open(&data.join("db")).expect("opened");
    assert_eq!(store.queued_mails().await.expect("read"), []);
}

async fn is_gone(store: &Store, mail: &QueuedMail) -> bool {
    matches!(store.mail_due(mail.clone(), START).await.expect("read"), MailDue::Gone)
}

async fn is_void(store: &Store, mail: &QueuedMail, now: time::OffsetDateTime) -> bool {
    matches!(store.mail_due(mail.clone(), now).await.expect("read"), MailDue::Void)
}

on_both_engines! {
    a_queued_mail_is_of_use_as_long_as_its_code,
    a_later_mail_takes_the_place_of_an_earlier_one,
    a_deleted_account_leaves_no_mail_and_a_stranger_queues_none,
}

async fn a_queued_mail_is_of_use_as_long_as_its_code(store: &Store) {
    let eve = account(1, "eve", "eve@example.com");
    create(store, &eve, START).await;
    let mail = &store.queued_mails().await.expect("read")[..];
    let [mail] = mail else { panic!("not one mail: {mail:?}") };
    let MailDue::Code(to, _) = store.mail_due(mail.clone(), START).await.expect("read") else {
        panic!("not due")
    };
    assert_eq!(to, eve.email);
    assert!(is_void(store, mail, START + otp::LIFETIME).await, "expired");
    store.verify_account(eve.id).await.expect("stored").expect("there");
    assert!(is_void(store, mail, START).await, "no code is needed any more");
    store.purge_expired(START + otp::LIFETIME).await.expect("purged");
    assert!(!is_gone(store, mail).await, "its delivery is to say that it gives up");
    store.purge_expired(START + 2 * otp::LIFETIME).await.expect("purged");
    assert!(is_gone(store, mail).await);
}

async fn a_later_mail_takes_the_place_of_an_earlier_one(store: &Store) {
    let eve = account(1, "eve", "eve@example.com");
    create(store, &eve, START).await;
    let first = store.queued_mails().await.expect("read").remove(0);
    let later = START + time::Duration::seconds(1);
    let fresh = code(eve.id, "654321", later);
    let Reissue::Queued(second) = store.reissue_otp(eve.id, fresh, later).await.expect("stored")
    else {
        panic!("not queued")
    };
    assert!(is_gone(store, &first).await);
    store.unqueue_mail(first).await.expect("stored");
    assert_eq!(store.queued_mails().await.expect("read").first(), Some(&second));
    store.unqueue_mail(second).await.expect("stored");
    assert_eq!(store.queued_mails().await.expect("read"), []);
}

#[tokio::test]
async fn an_export_holds_the_queue_and_no_code() {
    let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
    let [store, copy] = dirs.each_ref().map(|dir| Store::open(dir.path()).expect("opened"));
    create(&store, &account(1, "eve", "eve@example.com"), START).await;
    let export = exported(&store).await;
    let mut lines: Vec<_> = export.lines().collect();
    // A sign-up of 1970: ten minutes are 600 s. The key is "sign-up:" and the id.
    let key = format!("7369676e2d75703a{}", "01".repeat(12));
    let value = json!({ "subject": { "sign-up": "01".repeat(12) }, "code_expires_at": 600_000 });
    let line = json!({ "type": "mail", "key": key, "value": value });
    assert_eq!(serde_json::from_str::<Value>(lines[3]).expect("JSON"), line);

    let batch = Batch::parse(export.as_bytes()).expect("well-formed");
    assert_eq!(copy.import(batch, Merge::default()).await.expect("imported").faults, []);
    let queued = [&store, &copy].map(Store::queued_mails);
    let [queued, copied] = queued;
    assert_eq!(queued.await.expect("read"), copied.await.expect("read"));

    lines.remove(1);
    let orphaned = lines.join("\n").replace("\"records\":3", "\"records\":2");
    let batch = Batch::parse(format!("{orphaned}\n").as_bytes()).expect("well-formed");
    let merge = Merge { into_existing: true, ..Merge::default() };
    let dir = tempfile::tempdir().expect("a directory");
    let empty = Store::open(dir.path()).expect("opened");
    assert_eq!(empty.import(batch, merge).await.expect("imported").orphans, 2);
}

async fn a_deleted_account_leaves_no_mail_and_a_stranger_queues_none(store: &Store) {
    let ada = member(store, 1, "ada").await;
    let stranger = Email::parse("nobody@example.com").expect("an address");
    let presenter = otp::Presenter::Anyone;
    for email in [stranger, ada.email.clone()] {
        let code = code(ada.id, "123456", START);
        store.begin_reset(email, code, presenter, START).await.expect("stored");
    }
    let new = Email::parse("new@example.com").expect("an address");
    let change = code(ada.id, "123456", START);
    store.begin_address_change(ada.id, new, change, START).await.expect("stored").expect("queued");
    let queued = store.queued_mails().await.expect("read");
    let subjects: Vec<_> = queued.into_iter().map(|mail| mail.subject).collect();
    let (change, reset) = (MailSubject::ChangeEmail(ada.id), MailSubject::Reset(ada.email.clone()));
    assert_eq!(subjects, [change, reset, MailSubject::SignUp(ada.id)]);
    store.delete_account(ada.id).await.expect("stored").expect("there");
    assert_eq!(store.queued_mails().await.expect("read"), []);
    assert_eq!(store.check().await.expect("read").1, []);
}
