//! No room of the client knows one above it: imports go down this list and never up, so there are no
//! circles.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// From the bottom to the top.
const LAYERS: [&str; 22] = [
    "clock", "text", "terminal", "picture", "core", "peer", "error", "files", "config", "session",
    "output", "log", "proxy", "api", "link", "driver", "prompt", "tui", "headless", "cli",
    "commands", "main",
];
/// They see all.
const OUTSIDE: [&str; 3] = ["lib", "fuzzing", "layers"];
/// Rooms, and the crates that are none of their business.
const STRANGERS: [(&str, &[&str]); 3] = [
    ("terminal", &["clap", "ratatui", "webrtc", "rtc", "meoww_proto"]),
    ("picture", &["clap", "ratatui", "crossterm", "webrtc", "meoww_proto"]),
    ("core", &["clap", "ratatui", "crossterm", "webrtc", "rtc"]),
];

/// The room that a file belongs to.
fn room(file: &Path) -> String {
    let first = file.components().next().expect("a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The first names after each `crate::`, also in braces.
fn imports(source: &str) -> Vec<String> {
    let code: String = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let mut found = Vec::new();
    for (at, start) in code.match_indices("crate::") {
        let rest = &code[at + start.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push(first_name(rest));
            continue;
        };
        let (mut depth, mut begins) = (0, true);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                c if begins && !c.is_whitespace() => {
                    found.push(first_name(&group[at..]));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

fn first_name(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect()
}

/// The sources below a folder and what is in them, tests left out.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let source = fs::read_to_string(&path).expect("text");
            let code = source.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
            found.push((path, code));
        }
    }
    found.retain(|(path, _)| !path.to_string_lossy().ends_with("tests.rs"));
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

#[test]
fn imports_go_down() {
    let rank = |room: &str| LAYERS.iter().position(|layer| *layer == room);
    let files = sources(&root());
    let mut upward = Vec::new();
    for (path, source) in &files {
        let file = path.strip_prefix(root()).expect("below it");
        let own = room(file);
        if OUTSIDE.contains(&&*own) {
            continue;
        }
        let own_rank = rank(&own).unwrap_or_else(|| panic!("{own} is in no layer"));
        for import in imports(source).into_iter().filter(|import| *import != own) {
            // Items of the crate's root are no rooms.
            if rank(&import).is_some_and(|rank| rank > own_rank) {
                upward.push(format!("{} imports {import}", file.display()));
            }
        }
    }
    assert!(files.len() > 80, "the sources were found");
    assert_eq!(upward, Vec::<String>::new());
}

#[test]
fn rooms_keep_to_their_crates() {
    let paint = ["clap", "crossterm", "ratatui", "tokio", "meoww_proto", "meoww_cli"];
    let mut rooms = vec![(root().join("../../meoww-paint/src"), paint.as_slice())];
    rooms.extend(STRANGERS.map(|(room, strangers)| (root().join(room), strangers)));
    for (folder, strangers) in rooms {
        let sources = sources(&folder);
        assert!(!sources.is_empty(), "{folder:?}");
        for (path, source) in sources {
            let names = |name: &&&str| source.contains(&format!("{name}::"));
            assert_eq!(strangers.iter().find(names), None, "{path:?}");
        }
    }
}

#[test]
fn imports_are_found_in_every_form() {
    let source = "use crate::{clock, core::{a, b::{c}},\n    tui::State,\n};\nuse crate::api;\n\
                  // crate::nothing\nlet x = crate::link::open();";
    assert_eq!(imports(source), ["clock", "core", "tui", "api", "link"]);
}
