//! Clients of a fleet: what becomes of a call when the node behind it is killed.

use meoww_examples::fleet::{Fleet, Layout};

use crate::{headless::Script, server::code_in, user::User};

/// Somebody with an account who knows all nodes, and begins at one of them.
fn user(name: &str, fleet: &Fleet, first: usize) -> User {
    let mut nodes: Vec<_> = fleet.nodes.iter().map(|node| node.url.clone()).collect();
    nodes.rotate_left(first);
    let user = User::at(name, &nodes.join(","));
    user.sign_up().succeeded();
    user.meoww(&["verify", &code_in(&fleet.mail(), &user.email())]).succeeded();
    user
}

#[track_caller]
fn hears(script: &Script, words: &str) {
    while script.wait_for("message")["text"] != words {}
}

#[test]
fn a_call_its_chat_and_the_next_match_outlive_the_node_that_matches() {
    let mut fleet = Fleet::start(&Layout::here(2, 1, 1), &[]).expect("a fleet");
    let [anna, bert, cleo] =
        [("anna", 0), ("bert", 1), ("cleo", 0)].map(|(name, first)| user(name, &fleet, first));
    let mut anna = Script::start(&anna, &["--camera", "pattern"]);
    anna.wait_for("searching");
    let mut bert = Script::start(&bert, &["--camera", "pattern"]);
    for script in [&anna, &bert] {
        script.wait_for("connected");
        script.wait_for("first-frame");
    }
    anna.say(r#"{"command":"message","text":"across two nodes"}"#);
    hears(&bert, "across two nodes");

    fleet.nodes[0].kill();
    anna.wait_for("server-lost");
    // Said while there is no server: it waits for the next.
    anna.say(r#"{"command":"message","text":"still here?"}"#);
    anna.wait_for("server-back");
    hears(&bert, "still here?");
    bert.say(r#"{"command":"message","text":"of course"}"#);
    hears(&anna, "of course");
    let decoded = || bert.wait_for("stats")["framesDecoded"].as_u64().expect("a number");
    let before = decoded();
    while decoded() < before + 10 {}

    // Begins with the node that is gone, too.
    let mut cleo = Script::start(&cleo, &["--camera", "none"]);
    cleo.wait_for("searching");
    anna.say(r#"{"command":"skip"}"#);
    assert_eq!(anna.wait_for("peer-disconnected")["reason"], "left");
    assert_eq!(bert.wait_for("peer-disconnected")["reason"], "peer-left");
    // Bert looks around as well, and may find cleo first: then she is free again.
    bert.say(r#"{"command":"leave"}"#);
    assert_eq!(bert.ended(), 0);
    let room = anna.wait_for("matched")["roomId"].clone();
    while cleo.wait_for("matched")["roomId"] != room {}
    for script in [&mut anna, &mut cleo] {
        script.say(r#"{"command":"leave"}"#);
        assert_eq!(script.ended(), 0);
    }
}
