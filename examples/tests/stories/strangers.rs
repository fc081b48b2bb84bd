//! Whom one meets, and whom one never meets again.

use serde_json::Value;

use crate::{
    headless::Script,
    server::{Server, program},
    terminal::Terminal,
    user::User,
};

const CTRL_C: &str = "\x03";
const F5: &str = "\x1b[15~";
const F6: &str = "\x1b[17~";

fn blocks(user: &User) -> Vec<Value> {
    let list = user.meoww(&["blocks", "--json"]).succeeded();
    let found: Value = serde_json::from_str(&list.stdout).expect("JSON");
    found["blocks"].as_array().expect("a list").clone()
}

#[test]
fn a_common_tag_brings_together_and_a_block_keeps_apart() {
    let server = Server::start();
    let [anna, bert, cleo, dora] =
        ["anna", "bert", "cleo", "dora"].map(|name| User::with_account(name, &server));
    let search = |user, tags: &[&str]| {
        Script::start(user, &[&["--camera", "none", "--wait", "2m"], tags].concat())
    };
    let mut bert = search(&bert, &["--tag", "chess"]);
    bert.wait_for("searching");
    let mut anna_says = search(&anna, &["--tag", "rust"]);
    anna_says.wait_for("searching");
    let mut cleo_says = search(&cleo, &["--tag", "tea", "--tag", "#Rust"]);
    let [matched, with] = [&anna_says, &cleo_says].map(|script| script.wait_for("matched"));
    assert_eq!(matched["roomId"], with["roomId"], "bert came first, but shares no tag");

    anna_says.wait_for("connected");
    anna_says.say(r#"{"command":"report","reason":"shouts"}"#);
    assert_eq!(anna_says.wait_for("reported")["roomId"], matched["roomId"]);
    anna_says.say(r#"{"command":"block"}"#);
    assert_eq!(anna_says.wait_for("peer-disconnected")["reason"], "left");
    assert_eq!(anna_says.wait_for("blocked")["roomId"], matched["roomId"]);
    anna_says.wait_for("searching");
    assert_eq!(cleo_says.wait_for("peer-disconnected")["reason"], "peer-left");
    cleo_says.wait_for("searching");

    // Had they met again, there would be nobody for the next with their tag.
    let mut dora = search(&dora, &["--tag", "rust"]);
    let room = dora.wait_for("matched")["roomId"].clone();
    assert_ne!(room, matched["roomId"]);

    for script in [&mut anna_says, &mut bert, &mut cleo_says, &mut dora] {
        script.say(r#"{"command":"leave"}"#);
        assert_eq!(script.ended(), 0);
    }
    let [block] = &blocks(&anna)[..] else { panic!("one block") };
    assert!(blocks(&cleo).is_empty(), "it shows to who made it");
    let id = block["id"].as_str().expect("an id");
    anna.meoww(&["blocks", "remove", id]).succeeded();
    assert!(blocks(&anna).is_empty());
}

#[test]
fn a_report_and_a_block_by_keys() {
    let server = Server::start();
    let [anna, bert] = ["anna", "bert"].map(|name| User::with_account(name, &server));
    let mut anna_sees = Terminal::run(
        &program("meoww"),
        &["search", "--camera", "none"],
        anna.environment(),
        (120, 40),
    );
    anna_sees.wait_for("1 online");
    let bert = Script::start(&bert, &["--camera", "none"]);
    bert.wait_for("connected");
    anna_sees.wait_for("live");
    anna_sees.press(F6);
    anna_sees.wait_for("Why report them?");
    anna_sees.press("he shouts\r");
    anna_sees.wait_for("Reported. Thank you.");
    anna_sees.press(F5);
    anna_sees.wait_for("Press again");
    anna_sees.press(F5);
    assert_eq!(bert.wait_for("peer-disconnected")["reason"], "peer-left");
    anna_sees.wait_for("Blocked: you will not meet");
    anna_sees.wait_for("searching");
    anna_sees.press(CTRL_C);
    assert_eq!(anna_sees.ended(), 0);
}
