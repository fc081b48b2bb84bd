//! Two people at two terminals, and a third.

use crate::{
    server::{Server, program},
    terminal::{Terminal, bars},
    user::User,
};

const SIZE: (u16, u16) = (120, 40);
const CTRL_C: &str = "\x03";
const CTRL_N: &str = "\x0e";

fn search(user: &User, camera: &str) -> Terminal {
    Terminal::run(&program("meoww"), &["search", "--camera", camera], user.environment(), SIZE)
}

/// The four bars are there, from left to right, `first` first.
fn shows_bars(terminal: &Terminal, first: usize) {
    terminal.wait_until(&format!("bars, {first} first"), |screen| {
        let found = bars(screen);
        let order = [0, 1, 2, 3].map(|n| found[(first + n) % 4]);
        order.iter().all(Option::is_some) && order.is_sorted()
    });
}

#[test]
fn from_sign_up_to_picture_chat_skip_and_quit() {
    let server = Server::start();
    let [anna, bert, cleo] = ["anna", "bert", "cleo"].map(|n| User::with_account(n, &server));

    let mut anna_sees = search(&anna, "pattern");
    anna_sees.wait_for("searching");
    let mut bert_sees = search(&bert, "pattern:1");
    shows_bars(&anna_sees, 1);
    shows_bars(&bert_sees, 0);
    anna_sees.wait_for("direct");

    anna_sees.press("hello bert\r");
    bert_sees.wait_for("stranger hello bert");
    anna_sees.wait_for("you hello bert");
    bert_sees.press("\u{1F408} meow\r");
    anna_sees.wait_for("stranger \u{1F408} meow");

    // The third waits, and is who anna meets when she skips; bert keeps nothing of the call.
    let cleo_sees = search(&cleo, "pattern:2");
    cleo_sees.wait_for("searching");
    anna_sees.press(CTRL_N);
    bert_sees.wait_for("The stranger left");
    shows_bars(&anna_sees, 2);
    shows_bars(&cleo_sees, 0);
    anna_sees.press("hello cleo\r");
    cleo_sees.wait_for("stranger hello cleo");
    assert!(!bert_sees.contents().contains("cleo"));

    for mut terminal in [bert_sees, anna_sees] {
        terminal.press(CTRL_C);
        assert_eq!(terminal.ended(), 0);
    }
    cleo_sees.wait_for("The stranger left");
}

#[test]
fn the_terminal_is_given_back_after_sigterm() {
    let server = Server::start();
    let anna = User::with_account("anna", &server);
    let terminal = search(&anna, "pattern");
    terminal.wait_for("searching");
    terminal.terminate();
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn a_call_outlives_the_server_and_goes_on_when_it_is_back() {
    let mut server = Server::start();
    let [anna, bert] = ["anna", "bert"].map(|name| User::with_account(name, &server));
    let mut anna_sees = search(&anna, "pattern");
    anna_sees.wait_for("searching");
    let mut bert_sees = search(&bert, "pattern:1");
    shows_bars(&anna_sees, 1);
    server.crash_and_restart();
    for terminal in [&anna_sees, &bert_sees] {
        terminal.wait_for("The server has forgotten this call");
    }
    shows_bars(&anna_sees, 1);
    shows_bars(&bert_sees, 0);
    // Without the server's help, the goodbye goes from one to the other.
    anna_sees.press(CTRL_C);
    bert_sees.wait_for("The stranger left");
    assert_eq!(anna_sees.ended(), 0);
    bert_sees.press(CTRL_C);
    assert_eq!(bert_sees.ended(), 0);
}

#[test]
fn hostile_chat_cannot_reach_the_terminal() {
    let server = Server::start();
    let [anna, bert] = ["anna", "bert"].map(|name| User::with_account(name, &server));
    let anna_sees = search(&anna, "pattern");
    anna_sees.wait_for("searching");
    let mut bert = crate::headless::Script::start(&bert, &["--camera", "none"]);
    bert.wait_for("connected");
    bert.say(
        r#"{"command":"message","text":"\u001b[2J\u001b]0;owned\u0007 \u202eevil\u009b31m done"}"#,
    );
    anna_sees.wait_for("done");
    anna_sees.wait_for("Ctrl-C quit");
    assert!(anna_sees.contents().contains("evil"));
}

#[test]
fn a_window_made_small_and_large_again_goes_on_showing_the_call() {
    let server = Server::start();
    let [anna, bert] = ["anna", "bert"].map(|name| User::with_account(name, &server));
    let anna_sees = search(&anna, "none");
    anna_sees.wait_for("searching");
    let _bert_sees = search(&bert, "pattern:3");
    shows_bars(&anna_sees, 3);
    anna_sees.resize(20, 5);
    anna_sees.wait_for("Meoww needs 40");
    anna_sees.resize(80, 24);
    shows_bars(&anna_sees, 3);
}
