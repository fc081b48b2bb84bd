//! No part of the server knows one above it: imports go down this list and never up, so there are no
//! circles.

use std::{fs, path::Path};

/// From the bottom to the top.
const LAYERS: [&str; 26] = [
    "clock", "draft", "queue", "core", "config", "metrics", "outbox", "tokens", "hashing", "tls",
    "logging", "listener", "mail", "bearer", "store", "photos", "hub", "services", "admin",
    "http_api", "http", "sockets", "server", "serve", "cli", "main",
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

#[test]
fn imports_are_found_in_every_form() {
    let source = "use crate::{clock, core::{a, b::{c}},\n    store::Store,\n};\nuse crate::http;\n\
                  // crate::nothing\nlet x = crate::hub::start();";
    assert_eq!(imports(source), ["clock", "core", "store", "http", "hub"]);
}
