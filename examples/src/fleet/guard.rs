//! The guard that ends everything when the program that started it ends, even by `kill -9`.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

/// In the environment of the programs, by which they are found.
const MARK: &str = "MEOWW_FLEET_FOLDER";

/// Waits for the end of the pipe from the program. Databases are found by their own files, as
/// PostgreSQL writes over its environment.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
if ! read -r _; then
    for process in /proc/[0-9]*; do
        if tr '\0' '\n' 2>/dev/null <"$process/environ" | grep -qxF "$MARK=$DIR"; then
            kill -9 "${process#/proc/}"
        fi
    done
    while read -r folder; do kill -9 "$(head -n 1 "$folder/data/postmaster.pid")"; done <"$DIR/folders"
fi
[ ! -e "$DIR/folders" ] || xargs rm -rf <"$DIR/folders"
rm -rf "$DIR"
"#;

/// A shell that outlives the program by a moment.
pub(super) struct Guard {
    folder: PathBuf,
    shell: Child,
}

impl Guard {
    /// With `folder` for its list, which is removed at the end.
    pub(super) fn start(folder: &Path) -> io::Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT]).env("DIR", folder).env("MARK", MARK).current_dir("/");
        let shell = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        Ok(Self { folder: folder.to_owned(), shell })
    }

    /// Has what this command starts killed at the end, unless it is killed before.
    pub(super) fn mark(&self, command: &mut Command) {
        command.env(MARK, &self.folder);
    }

    /// Removes the folder of a database at the end.
    pub(super) fn remove(&self, folder: &Path) -> io::Result<()> {
        let list = OpenOptions::new().append(true).create(true).open(self.folder.join("folders"));
        writeln!(list?, "{}", folder.display())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.shell.stdin.take() {
            let _ = pipe.write_all(b"all are gone\n");
        }
        let _ = self.shell.wait();
    }
}

/// Sends a signal to a process that may be gone.
pub(super) fn signal(process: u32, signal: Signal) {
    if let Some(process) = i32::try_from(process).ok().and_then(Pid::from_raw) {
        let _ = kill_process(process, signal);
    }
}
