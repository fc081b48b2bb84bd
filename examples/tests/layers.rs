//! The layers of the client and the server: imports go down these lists and never up, so there are
//! no circles; and crates are named only where they are used on purpose.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The parts of the server, from the bottom to the top.
#[rustfmt::skip]
const SERVER: [&str; 27] = [
    "clock", "atomic_file", "queue", "core", "config", "metrics", "send_queue", "tokens", "hashing",
    "tls", "logging", "listener", "mail", "bearer", "store", "photos", "fleet", "hub", "services", "admin",
    "openapi", "http", "sockets", "server", "serve", "cli", "main",
];
/// The parts of the client, from the bottom to the top.
#[rustfmt::skip]
const CLIENT: [&str; 25] = [
    "clock", "interfaces", "text", "terminal", "picture", "sound", "core", "peer", "error", "files",
    "config", "session", "output", "log", "proxy", "api", "link", "driver", "prompt", "tui", "player", "headless", "cli",
    "commands", "main",
];
/// They see all: for tests and fuzz targets alone.
const OUTSIDE: [&str; 3] = ["lib", "fuzzing", "testing"];
/// Folders, and the crates that no file in them names.
const STRANGERS: [(&str, &[&str]); 5] = [
    ("meoww-paint/src", &["clap", "crossterm", "ratatui", "tokio", "meoww_proto", "meoww_cli"]),
    ("meoww-cli/src/terminal", &["clap", "ratatui", "webrtc", "rtc", "meoww_proto"]),
    ("meoww-cli/src/picture", &["clap", "ratatui", "crossterm", "webrtc", "meoww_proto"]),
    ("meoww-cli/src/sound", &["clap", "ratatui", "crossterm", "webrtc", "meoww_proto"]),
    ("meoww-cli/src/core", &["clap", "ratatui", "crossterm", "webrtc", "rtc"]),
];
/// The words of the embedded engine: its crate, its types, and the trees opened with it.
const ENGINE: [&str; 5] =
    ["sled::", "IVec", "TransactionalTree", "ConflictableTransaction", "Trees"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The part that a file belongs to.
fn part(file: &Path) -> String {
    let first = file.components().next().expect("a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The parts that a source imports: the first names after each `crate::`, also in braces.
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

/// The files below a folder, as named from there, and their text.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(root, &path, found);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).expect("text");
                found.push((path.strip_prefix(root).expect("below it").to_owned(), text));
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    assert!(!found.is_empty(), "{folder:?}");
    found
}

/// Likewise without tests, which may use what they like.
fn code(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = sources(folder);
    found.retain(|(file, _)| {
        let is_test = file.to_string_lossy().ends_with("tests.rs");
        !is_test && !file.components().any(|part| part.as_os_str() == "tests")
    });
    for (_, text) in &mut found {
        text.truncate(text.find("#[cfg(test)]").unwrap_or(text.len()));
    }
    found
}

/// The imports in a crate that go up.
fn upward(folder: &Path, layers: &[&str]) -> Vec<String> {
    let rank = |part: &str| layers.iter().position(|layer| *layer == part);
    let mut found = Vec::new();
    for (file, code) in code(folder) {
        let own = part(&file);
        if OUTSIDE.contains(&&*own) {
            continue;
        }
        let own_rank = rank(&own).unwrap_or_else(|| panic!("{own} is in no layer"));
        for import in imports(&code).into_iter().filter(|import| *import != own) {
            // Items of the crate's root are no parts.
            if rank(&import).is_some_and(|rank| rank > own_rank) {
                found.push(format!("{} imports {import}", file.display()));
            }
        }
    }
    found
}

#[test]
fn imports_go_down() {
    assert_eq!(upward(&root().join("meoww-server/src"), &SERVER), Vec::<String>::new());
    assert_eq!(upward(&root().join("meoww-cli/src"), &CLIENT), Vec::<String>::new());
}

#[test]
fn folders_keep_to_their_crates() {
    for (folder, strangers) in STRANGERS {
        for (file, code) in code(&root().join(folder)) {
            let names = |name: &&&str| code.contains(&format!("{name}::"));
            assert_eq!(strangers.iter().find(names), None, "{folder}: {file:?}");
        }
    }
}

/// The words of the engine in a source, each with its line.
fn engine_words(source: &str) -> Vec<(usize, &'static str)> {
    let code = source.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    let found = code.flat_map(|(at, line)| {
        let words = ENGINE.into_iter().filter(|word| {
            // Whole words: not the end of a longer one.
            let is_whole =
                |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            line.match_indices(word).any(|(at, _)| is_whole(at))
        });
        words.map(move |word| (at + 1, word))
    });
    found.collect()
}

#[test]
fn the_engine_is_named_in_the_store_alone() {
    let (mut named, mut in_store) = (Vec::new(), 0);
    for (file, source) in sources(&root().join("meoww-server/src")) {
        let words = engine_words(&source);
        if part(&file) == "store" {
            in_store += words.len();
        } else {
            named.extend(words.iter().map(|(n, word)| format!("{}:{n}: {word}", file.display())));
        }
    }
    assert!(in_store > 50, "the words are those of the store");
    assert_eq!(named, Vec::<String>::new());
}

#[test]
fn the_engine_is_found_under_every_name() {
    let source = "use sled::Db;\n// sled::Db\nfn of(trees: &Trees) {}\nmeoww_sled::x()";
    assert_eq!(engine_words(source), [(1, "sled::"), (3, "Trees")]);
}

#[test]
fn imports_are_found_in_every_form() {
    let source = "use crate::{clock, core::{a, b::{c}},\n    store::Store,\n};\nuse crate::http;\n\
                  // crate::nothing\nlet x = crate::hub::start();";
    assert_eq!(imports(source), ["clock", "core", "store", "http", "hub"]);
}
