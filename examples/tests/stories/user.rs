//! Somebody with `meoww` and a home of their own.

use std::process::{Command, Output};

use tempfile::TempDir;

use crate::server::{Server, program};

/// A user of one server.
pub(crate) struct User {
    pub(crate) name: String,
    server: String,
    home: TempDir,
    /// Environment variables of every `meoww` of this user, beside the usual ones.
    pub(crate) env: Vec<(String, String)>,
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl User {
    /// Knows of the server, and has no account.
    pub(crate) fn new(name: &str, server: &Server) -> Self {
        Self::at(name, &server.address)
    }

    /// Knows of whatever answers at `address`.
    pub(crate) fn at(name: &str, address: &str) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        Self { name: name.to_owned(), server: address.to_owned(), home, env: Vec::new() }
    }

    /// Signed up, verified and logged in, by way of the command line.
    pub(crate) fn with_account(name: &str, server: &Server) -> Self {
        let user = Self::new(name, server);
        user.sign_up().succeeded();
        user.meoww(&["verify", &server.code(&user.email())]).succeeded();
        user
    }

    pub(crate) fn email(&self) -> String {
        format!("{}@example.org", self.name)
    }

    pub(crate) fn password(&self) -> String {
        format!("correct horse of {}", self.name)
    }

    pub(crate) fn sign_up(&self) -> Ended {
        let email = self.email();
        self.meoww(&["signup", "--name", &self.name, "--username", &self.name, "--email", &email])
    }

    /// Runs `meoww` to its end, without a terminal.
    pub(crate) fn meoww(&self, arguments: &[&str]) -> Ended {
        self.meoww_with(arguments, &[])
    }

    pub(crate) fn meoww_with(&self, arguments: &[&str], env: &[(&str, &str)]) -> Ended {
        let mut command = Command::new(program("meoww"));
        command.args(arguments).envs(self.environment()).envs(env.iter().copied());
        let Output { status, stdout, stderr } = command.output().expect("run");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Ended {
            code: status.code().expect("an exit code"),
            stdout: text(stdout),
            stderr: text(stderr),
        }
    }

    /// What `meoww` logged for this user.
    pub(crate) fn log(&self) -> String {
        let file = self.home.path().join("state/meoww/meoww.log");
        std::fs::read_to_string(file).expect("a log")
    }

    /// What every `meoww` of this user runs in.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let home = self.home.path().display();
        [
            ("XDG_CONFIG_HOME", format!("{home}/config")),
            ("XDG_STATE_HOME", format!("{home}/state")),
            ("MEOWW_SERVER", self.server.clone()),
            ("MEOWW_PASSWORD", self.password()),
            ("TERM", "xterm-256color".to_owned()),
            ("COLORTERM", "truecolor".to_owned()),
            ("LC_ALL", "C.UTF-8".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .chain(self.env.clone())
        .collect()
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self
    }

    /// Failed with this exit code and a sentence that says so.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, sentence: &str) -> Self {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        assert!(self.stderr.contains(sentence), "{:?} is not in {:?}", sentence, self.stderr);
        self
    }
}
