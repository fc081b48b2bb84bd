//! Flags, environment and file become one [`Config`]; nothing past this module sees any of them.

mod bucket;
mod database;
mod parse;
mod raw;
mod reload;
pub mod secrets;
pub(crate) mod settings;

use std::{
    mem,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::IpNet;
use lettre::message::Mailbox;

pub(crate) use self::parse::{grace, length as duration};
use self::raw::Raw;
pub use self::{bucket::Bucket, database::DatabaseUrl, raw::Flags, secrets::Secret};
use crate::core::limits::Quota;

/// Why the configuration was refused. Names the setting, never a secret's value.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A setting has a value that means nothing.
    #[error("{name}: {reason}")]
    Invalid {
        /// The setting, by its variable's name.
        name: &'static str,
        /// What is wrong with the value.
        reason: String,
    },
    /// A secret that others can guess.
    #[error("{name}: {reason}; make one with `openssl rand -hex 32`")]
    WeakSecret {
        /// The setting, by its variable's name.
        name: &'static str,
        /// What makes the secret weak.
        reason: &'static str,
    },
    /// The configuration file cannot be read or is no TOML of the right shape.
    #[error("configuration file {path}: {reason}")]
    File {
        /// As given.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// No data directory was given and there is no home to put one in.
    #[error("no home directory; give --data-dir")]
    NoHome,
}

/// Everything a server needs to know before it starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Certificate and key, for those without a proxy in front.
    pub tls: Option<Tls>,
    /// Where it answers `/metrics` and `/ready`, apart from what the world can reach.
    pub metrics_listen: Option<SocketAddr>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How the world reaches it, for links to what it serves; without one, links are relative.
    pub public_url: Option<String>,
    /// Where profile photos are kept; without one, in the data directory.
    pub photo_store: Option<Bucket>,
    /// How long calls in progress may still signal once no new ones are made.
    pub drain_grace: Duration,
    /// Whether who skips too fast is made to wait; a load test does without.
    pub limit_skips: bool,
    /// Most open connections; without a number, as many as the system gives files for.
    pub max_connections: Option<u32>,
    /// Most open connections of one client address that is no trusted proxy.
    pub max_connections_per_address: u32,
    /// NATS between the servers on one database; without it, this one is alone.
    pub nats: Option<Secret>,
    /// The database of several servers; without one, it is in the data directory.
    pub database: Option<DatabaseUrl>,
    /// Most connections to it.
    pub database_connections: u32,
    /// Where its database, its secrets and its outbox are.
    pub data_dir: PathBuf,
    /// Origins of web pages that may call it with cookies.
    pub frontend_origins: Vec<String>,
    /// Whether cookies travel over TLS only.
    pub secure_cookies: bool,
    /// Key of the access tokens; without one the server makes its own.
    pub access_secret: Option<Secret>,
    /// How long an access token is good.
    pub access_lifetime: Duration,
    /// How long a session lasts without a refresh.
    pub refresh_lifetime: Duration,
    /// The TURN relay, if there is one.
    pub turn: Option<Turn>,
    /// The STUN server told to clients, if any.
    pub stun_url: Option<String>,
    /// The mail server; without one mail goes to files in the data directory.
    pub smtp_url: Option<Secret>,
    /// Sender of mail.
    pub email_from: Mailbox,
    /// Rate limits by client address.
    pub limits: Limits,
}

/// Files in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate and what links it to a root.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A TURN relay that shares a secret with us.
#[derive(Debug, Clone)]
pub struct Turn {
    /// A `turn:` or `turns:` URL (RFC 7065).
    pub url: String,
    /// coturn's `static-auth-secret`.
    pub secret: Secret,
}

/// Rate limits, by client address where nothing else is said; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Sign-ups.
    pub signup: Option<Quota>,
    /// Failed logins and other proofs of a password.
    pub login: Option<Quota>,
    /// Requests for a code.
    pub resend: Option<Quota>,
    /// Requests for TURN credentials.
    pub turn: Option<Quota>,
    /// Codes sent back.
    pub verify: Option<Quota>,
    /// Sockets opened.
    pub connect: Option<Quota>,
    /// Profile photos set by those who have an account.
    pub photo: Option<Quota>,
    /// Refreshes and logouts.
    pub refresh: Option<Quota>,
    /// Refreshes by session.
    pub session_refresh: Option<Quota>,
    /// Failed proofs of a password by account and network, device or session.
    pub account_login: Option<Quota>,
    /// Failed proofs of a password by account, from all networks together.
    pub account_login_total: Option<Quota>,
    /// Codes mailed, by who asked for them and by where they went.
    pub account_code: Option<Quota>,
}

impl Limits {
    /// No limits at all, for tests and benchmarks from one address.
    pub const OFF: Self = Self {
        signup: None,
        login: None,
        resend: None,
        turn: None,
        verify: None,
        connect: None,
        photo: None,
        refresh: None,
        session_refresh: None,
        account_login: None,
        account_login_total: None,
        account_code: None,
    };
}

impl Default for Limits {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        let quota = |requests, minutes| {
            Some(Quota { requests, window: Duration::from_secs(minutes * MINUTE) })
        };
        Self {
            signup: quota(10, 60),
            login: quota(5, 15),
            resend: quota(3, 60),
            turn: quota(10, 60),
            verify: quota(30, 15),
            connect: quota(12_000, 1),
            photo: quota(20, 60),
            refresh: quota(600, 1),
            session_refresh: quota(30, 1),
            account_login: quota(10, 15),
            // As many as NIST SP 800-63B, 5.2.2, lets fail in a row.
            account_login_total: quota(100, 15),
            account_code: quota(5, 60),
        }
    }
}

impl Config {
    /// What holds where nothing was said.
    pub fn new(data_dir: PathBuf) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 5000)),
            tls: None,
            metrics_listen: None,
            trusted_proxies: Vec::new(),
            public_url: None,
            photo_store: None,
            drain_grace: Duration::from_secs(5 * 60),
            limit_skips: true,
            max_connections: None,
            max_connections_per_address: 512,
            nats: None,
            database: None,
            database_connections: 16,
            data_dir,
            frontend_origins: vec!["http://localhost:5173".into()],
            secure_cookies: false,
            access_secret: None,
            access_lifetime: Duration::from_secs(15 * 60),
            refresh_lifetime: Duration::from_secs(7 * 24 * 60 * 60),
            turn: None,
            stun_url: Some("stun:stun.l.google.com:19302".into()),
            smtp_url: None,
            email_from: "Meoww <meoww@localhost>".parse().expect("a valid mailbox"),
            limits: Limits::default(),
        }
    }

    /// Says what will not be as it should with these settings, though a server starts with them.
    pub fn shortcomings(&self) -> Vec<&'static str> {
        let mut found = Vec::new();
        if self.nats.is_some() && self.photo_store.is_none() {
            found.push(
                "MEOWW_PHOTO_STORE: a photo in a folder is shown by the one server it was sent to; \
                 servers that share MEOWW_NATS_URL need a bucket",
            );
        }
        if self.nats.is_some() && self.smtp_url.is_none() {
            found.push(
                "MEOWW_SMTP_URL: without a mail server each server leaves mails in a folder of its own; \
                 servers that share MEOWW_NATS_URL need one",
            );
        }
        let names_user = |url: &Secret| url.expose().split(',').any(|server| server.contains('@'));
        if self.nats.as_ref().is_some_and(|url| !names_user(url)) {
            found.push(
                "MEOWW_NATS_URL: no user is named, so this NATS lets anybody in who reaches it, and \
                 chat lines and descriptions of calls can be read there; give the servers a user of \
                 their own",
            );
        }
        found
    }

    /// Resolves what was said. `flags` win over `env`, a lookup of environment variables, which
    /// wins over the file that either of them names.
    pub fn resolve(
        flags: Flags,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let paths = (flags.data_dir.clone(), flags.tls_cert.clone(), flags.tls_key.clone());
        let sources = Self::sources(flags, &env)?;
        let said = sources.into_iter().map(|(_, raw)| raw).reduce(Raw::or);
        let mut config = parse::config(&said.unwrap_or_default())?;
        // A path on the command line need not be text.
        config.data_dir = paths.0.unwrap_or(config.data_dir);
        if let Some(tls) = &mut config.tls {
            tls.cert = paths.1.unwrap_or(mem::take(&mut tls.cert));
            tls.key = paths.2.unwrap_or(mem::take(&mut tls.key));
        }
        Ok(config)
    }

    /// Resolves what a configuration file says; `path` is for the error.
    pub(crate) fn of_file(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let fail = |reason| ConfigError::File { path: path.to_owned(), reason };
        parse::config(&Raw::parse(text).map_err(fail)?)
    }

    /// What was said by whom, the winners first.
    fn sources(
        flags: Flags,
        env: &impl Fn(&str) -> Option<String>,
    ) -> Result<Vec<(&'static str, Raw)>, ConfigError> {
        let file = flags.config.or_else(|| env("MEOWW_CONFIG").map(PathBuf::from));
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        let mut said = Raw::default();
        said.set("listen", flags.listen.map(|address| address.to_string()));
        said.set("data_dir", flags.data_dir.map(path));
        said.set("tls_cert", flags.tls_cert.map(path));
        said.set("tls_key", flags.tls_key.map(path));
        let mut sources = vec![("flag", said), ("environment", Raw::from_env(env))];
        if let Some(path) = file {
            sources.push(("file", Raw::from_file(&path)?));
        }
        Ok(sources)
    }
}
