//! No part of the server knows one above it: imports go down this list and never up, so there are no
//! circles.

use std::{fs, path::Path};

/// From the bottom to the top.
const LAYERS: [&str; 26] = [
    "clock",
    "atomic_file",
    "queue",
    "core",
    "config",
    "metrics",
    "send_queue",
    "tokens",
    "hashing",
    "tls",
    "logging",
    "listener",
    "mail",
    "bearer",
    "store",
    "photos",
    "hub",
    "services",
    "admin",
    "openapi",
    "http",
    "sockets",
    "server",
    "serve",
    "cli",
    "main",
];
/// They see all: for tests and fuzz targets alone.
const OUTSIDE: [&str; 3] = ["lib", "fuzzing", "testing"];

/// The part of the server that a file belongs to.
fn part(file: &Path) -> String {
    let first = file.components().next().expect("a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The parts that a source imports: the first names after each `crate::`, also in braces.
fn imports(source: &str) -> Vec<String> {
    let code: String = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let mut found = Vec::new();
    for (_, rest) in code.match_indices("crate::").map(|(at, name)| code.split_at(at + name.len()))
    {
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

fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn imports_go_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rank = |part: &str| LAYERS.iter().position(|layer| *layer == part);
    let (mut files, mut upward) = (Vec::new(), Vec::new());
    sources(&root, &mut files);
    for path in &files {
        let file = path.strip_prefix(&root).expect("below it");
        let own = part(file);
        if OUTSIDE.contains(&&*own) || file.ends_with("tests.rs") {
            continue;
        }
        let own_rank = rank(&own).unwrap_or_else(|| panic!("{own} is in no layer"));
        let source = fs::read_to_string(path).expect("text");
        // Tests within a file may use what they like.
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        for import in imports(source).into_iter().filter(|import| *import != own) {
            // Items of the crate's root are not parts.
            if rank(&import).is_some_and(|rank| rank > own_rank) {
                upward.push(format!("{} imports {import}", file.display()));
            }
        }
    }
    assert!(files.len() > 100, "the sources were found");
    assert_eq!(upward, Vec::<String>::new());
}

/// The words of the embedded engine: its crate, its types, and the trees opened with it.
const ENGINE: [&str; 5] =
    ["sled::", "IVec", "TransactionalTree", "ConflictableTransaction", "Trees"];

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
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, mut named, mut in_store) = (Vec::new(), Vec::new(), 0);
    sources(&root, &mut files);
    for path in &files {
        let file = path.strip_prefix(&root).expect("below it");
        let words = engine_words(&fs::read_to_string(path).expect("text"));
        if part(file) == "store" {
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
