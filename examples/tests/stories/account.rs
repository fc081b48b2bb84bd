//! What one can do with an account, by way of the command line.

use serde_json::Value;

use crate::{
    headless::Script,
    server::{Server, program},
    terminal::Terminal,
    user::User,
};

fn sessions(user: &User) -> Vec<Value> {
    let list = user.meoww(&["sessions", "list", "--json"]).succeeded();
    let found: Value = serde_json::from_str(&list.stdout).expect("JSON");
    found["sessions"].as_array().expect("a list").clone()
}

/// The same person at another machine.
fn elsewhere(name: &str, server: &Server) -> User {
    let user = User::new(name, server);
    user.meoww(&["login", "--email", &user.email()]).succeeded();
    user
}

#[test]
fn sessions_are_seen_and_ended_from_another_machine() {
    let server = Server::start();
    let laptop = User::with_account("anna", &server);
    let phone = elsewhere("anna", &server);
    let known = sessions(&laptop);
    assert_eq!(known.len(), 2);
    let other = known.iter().find(|session| session["current"] == false).expect("the phone's");
    let mut call = Script::start(&phone, &["--camera", "none"]);
    call.wait_for("searching");
    laptop.meoww(&["sessions", "revoke", other["id"].as_str().expect("an id")]).succeeded();
    assert_eq!(call.ended(), 14, "log in again");
    phone.meoww(&["me"]).failed(14, "meoww login");

    let phone = elsewhere("anna", &server);
    laptop.meoww(&["sessions", "revoke-others"]).succeeded();
    phone.meoww(&["me"]).failed(14, "meoww login");
    assert_eq!(sessions(&laptop).len(), 1);
    // The names before the first release.
    laptop.meoww(&["sessions", "end-others"]).succeeded();
    laptop.meoww(&["blocks", "remove", "x"]).failed(1, "refused");
    laptop.meoww(&["unblock", "x"]).failed(1, "refused");
    laptop.meoww(&["sessions", "end", "nonsense/../x"]).failed(20, "no such session");
    let current = sessions(&laptop)[0]["id"].as_str().expect("an id").to_owned();
    laptop.meoww(&["sessions", "end", &current]).succeeded();
    laptop.meoww(&["me"]).failed(13, "Not logged in");
}

#[test]
fn a_password_is_changed_and_a_forgotten_one_replaced() {
    let server = Server::start();
    let anna = User::with_account("anna", &server);
    let change = |old: &str, new: &str| {
        let env = [("MEOWW_PASSWORD", old), ("MEOWW_NEW_PASSWORD", new)];
        anna.meoww_with(&["password", "change"], &env)
    };
    change("not it at all", "a staple and a battery").failed(24, "Wrong password");
    change("correct horse of anna", "short").failed(20, "assword");
    change("correct horse of anna", "a staple and a battery").succeeded();
    anna.meoww(&["me"]).succeeded();

    anna.meoww(&["password", "forgot", "--email", &anna.email()]).succeeded();
    anna.meoww(&["password", "forgot", "--email", "nobody@example.org"]).succeeded();
    let code = server.code(&anna.email());
    let reset = ["password", "reset", "--email", &anna.email(), &code];
    anna.meoww_with(&reset, &[("MEOWW_NEW_PASSWORD", "correct horse of anna")]).succeeded();
    anna.meoww(&["me"]).failed(13, "Not logged in");
    anna.meoww(&["login", "--email", &anna.email()]).succeeded();
}

#[test]
fn an_address_is_changed_once_it_is_confirmed() {
    let server = Server::start();
    let anna = User::with_account("anna", &server);
    anna.meoww(&["email", "change", "new@example.org"]).succeeded();
    let me = anna.meoww(&["me"]).succeeded();
    assert!(me.stdout.contains("anna@example.org"), "{}", me.stdout);
    anna.meoww(&["email", "confirm", &server.code("new@example.org")]).succeeded();
    let me = anna.meoww(&["me"]).succeeded();
    assert!(me.stdout.contains("new@example.org"), "{}", me.stdout);
}

#[test]
fn an_account_is_taken_along_and_deleted() {
    let server = Server::start();
    let anna = User::with_account("anna", &server);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("anna.json");
    let export = || anna.meoww(&["account", "export", file.to_str().expect("UTF-8")]);
    export().succeeded();
    let data = std::fs::read_to_string(&file).expect("written");
    assert!(data.contains("anna@example.org"), "{data}");
    export().failed(3, "exists");

    anna.meoww(&["account", "delete"]).failed(2, "--yes");
    anna.meoww_with(&["account", "delete", "--yes"], &[("MEOWW_PASSWORD", "not it at all")])
        .failed(24, "Wrong password");
    anna.meoww(&["account", "delete", "--yes"]).succeeded();
    anna.meoww(&["me"]).failed(13, "Not logged in");
    anna.meoww(&["login", "--email", &anna.email()]).failed(15, "Wrong e-mail address");
}

#[test]
fn alone_it_says_who_one_is_and_what_is_next() {
    let server = Server::start();
    let anna = User::new("anna", &server);
    anna.meoww(&[]).failed(2, "meoww --help");
    let shown = |expected: &str| {
        let terminal = Terminal::run(&program("meoww"), &[], anna.environment(), (80, 24));
        terminal.wait_for(expected);
        let said = terminal.contents();
        assert_eq!(terminal.ended(), 0, "{said}");
        said
    };
    assert!(shown("meoww --help").contains("meoww signup"));
    anna.sign_up().succeeded();
    assert!(shown("meoww --help").contains("meoww verify 123456"));
    anna.meoww(&["verify", &server.code(&anna.email())]).succeeded();
    let said = shown("meoww --help");
    assert!(said.contains("anna, anna@example.org") && said.contains("meoww search"), "{said}");
}

#[test]
fn a_machine_that_was_logged_in_is_not_locked_out_by_strangers() {
    let server = Server::start_with(&[("MEOWW_LIMIT_ACCOUNT_LOGIN_TOTAL", "1/15m")]);
    let anna = User::with_account("anna", &server);
    anna.meoww(&["logout"]).succeeded();
    let (eve, email) = (User::new("eve", &server), anna.email());
    eve.meoww(&["login", "--email", &email]).failed(15, "Wrong e-mail address");
    eve.meoww(&["login", "--email", &email]).failed(21, "Too many attempts");
    anna.meoww(&["login", "--email", &email]).succeeded();
}
