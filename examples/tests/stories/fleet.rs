//! Clients of a fleet: what becomes of a call when the node behind it is killed.

use meoww_examples::fleet::{Fleet, Layout, Node};
use serde_json::Value;

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

/// As when its machine has lost power: nothing closes, and nothing answers.
#[test]
fn who_says_nothing_leaves_a_node_that_stands_still() {
    let fleet = Fleet::start(&Layout::here(2, 1, 1), &[]).expect("a fleet");
    let [anna, bert, cleo, dora] = [("anna", 0), ("bert", 1), ("cleo", 0), ("dora", 1)]
        .map(|(name, first)| user(name, &fleet, first));
    let mut anna = Script::start(&anna, &["--camera", "none"]);
    anna.wait_for("searching");
    let mut bert = Script::start(&bert, &["--camera", "none"]);
    for script in [&anna, &bert] {
        script.wait_for("connected");
    }
    let mut cleo = Script::start(&cleo, &["--camera", "none"]);
    cleo.wait_for("searching");

    fleet.nodes[0].set_stopped(true);
    for script in [&anna, &cleo] {
        script.wait_for("server-lost");
        script.wait_for("server-back");
    }
    bert.say(r#"{"command":"message","text":"still here?"}"#);
    hears(&anna, "still here?");
    anna.say(r#"{"command":"message","text":"of course"}"#);
    hears(&bert, "of course");
    let mut dora = Script::start(&dora, &["--camera", "none"]);
    assert_eq!(cleo.wait_for("matched")["roomId"], dora.wait_for("matched")["roomId"]);
    for script in [&mut anna, &mut bert, &mut cleo, &mut dora] {
        script.say(r#"{"command":"leave"}"#);
        assert_eq!(script.ended(), 0);
    }
}

/// Hears these words in the same call: nobody has left it, and nothing else is a match.
#[track_caller]
fn hears_in_the_call(script: &Script, words: &str) {
    script.wait_until(words, |event| {
        let is_over = event["event"] == "peer-disconnected" || event["event"] == "matched";
        assert!(!is_over, "{event}");
        event["event"] == "message" && event["text"] == words
    });
}

/// Waits until a node has heard of all others.
fn knows(node: &Node, count: usize) {
    let knows = || {
        let printed = node.admin(&["stats", "--json"]).ok()?;
        let stats: Value = serde_json::from_str(printed.lines().next()?).ok()?;
        Some(stats["nodes"].as_array()?.len())
    };
    while knows() != Some(count) {}
}

#[test]
fn a_call_goes_on_while_all_nodes_are_restarted_one_after_the_other() {
    let mut fleet = Fleet::start(&Layout::here(3, 1, 1), &[]).expect("a fleet");
    let [anna, bert] = [("anna", 0), ("bert", 1)].map(|(name, first)| user(name, &fleet, first));
    let mut anna = Script::start(&anna, &["--camera", "pattern"]);
    anna.wait_for("searching");
    let mut bert = Script::start(&bert, &["--camera", "pattern"]);
    for script in [&anna, &bert] {
        script.wait_for("first-frame");
    }
    for n in 0..fleet.nodes.len() {
        let node = &mut fleet.nodes[n];
        assert_eq!(node.terminate().expect("it drains"), 0, "{}", node.log());
        node.restart(&[]).expect("it starts again");
        knows(node, 3);
        let words = format!("node {n} is back");
        anna.say(&format!(r#"{{"command":"message","text":"{words}"}}"#));
        hears_in_the_call(&bert, &words);
        let words = format!("so it is, node {n}");
        bert.say(&format!(r#"{{"command":"message","text":"{words}"}}"#));
        hears_in_the_call(&anna, &words);
    }
    let decoded = || bert.wait_for("stats")["framesDecoded"].as_u64().expect("a number");
    let before = decoded();
    while decoded() < before + 10 {}
    for script in [&mut anna, &mut bert] {
        script.say(r#"{"command":"leave"}"#);
        assert_eq!(script.ended(), 0);
    }
}
