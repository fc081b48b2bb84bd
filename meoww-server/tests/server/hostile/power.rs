//! What a power cut leaves: the files that were synced, by what the kernel was asked.

use std::{path::Path, process::Stdio};

use tokio::{io::AsyncWriteExt, process::Command};

use crate::harness::{PASSWORD, patiently};

/// The files that the first command on a data directory synced, in that order.
async fn synced_by_the_first_account(data: &Path, traces: &Path) -> Vec<String> {
    let mut command = Command::new("strace");
    command.args(["-ff", "-ttt", "-y", "-e", "trace=fsync,fdatasync", "-o"]).arg(traces);
    command.arg(env!("CARGO_BIN_EXE_meoww-server"));
    command.args(["user", "create", "--name", "Ada", "--username", "ada", "--verified"]);
    command.args(["--email", "ada@example.com", "--data-dir"]).arg(data);
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.stdin(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("scripts/setup test installs strace");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(format!("{PASSWORD}\n").as_bytes()).await.expect("typed");
    drop(stdin);
    assert!(patiently(child.wait()).await.expect("it ends").success());
    let folder = std::fs::read_dir(traces.parent().expect("a folder")).expect("readable");
    let mut calls = Vec::new();
    for file in folder {
        let path = file.expect("readable").path();
        let is_trace = path.file_stem() == traces.file_name();
        let text = if is_trace { std::fs::read_to_string(path).expect("text") } else { continue };
        calls.extend(text.lines().filter_map(call));
    }
    calls.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    calls.into_iter().map(|(_, path)| path).collect()
}

/// The time and the file of `1764200000.123456 fsync(7</data/db/conf>) = 0`; `None` for other lines, as
/// those of a call that failed.
fn call(line: &str) -> Option<(f64, String)> {
    let (time, call) = line.split_once(' ')?;
    let (_, rest) = call.split_once('<')?;
    let (path, outcome) = rest.split_once('>')?;
    outcome.trim_end().ends_with("= 0").then_some((time.parse().ok()?, path.to_owned()))
}

/// sled never syncs its `conf`, without which it does not open.
#[tokio::test]
async fn all_that_a_database_opens_with_is_synced_before_anything_is_acknowledged() {
    let dir = tempfile::tempdir().expect("a directory");
    let folder = dir.path().canonicalize().expect("a path");
    let data = folder.join("data");
    let synced = synced_by_the_first_account(&data, &folder.join("trace")).await;
    let last = |name: &str| {
        let path = data.join(name);
        let at = synced.iter().rposition(|synced| Path::new(synced) == path);
        at.unwrap_or_else(|| panic!("{name} was never synced: {synced:?}"))
    };
    let acknowledged = last("db/db");
    assert!(last("db/conf") < acknowledged, "{synced:?}");
    assert!(last("db") < acknowledged, "the names of the files: {synced:?}");
}
