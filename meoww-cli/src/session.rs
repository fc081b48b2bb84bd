//! The sessions of this user, one a server or fleet, in a file only its owner can read.
//!
//! Refresh tokens are single use: two programs that spend the same one end the session for both.
//! So whoever changes the file holds its lock from reading to writing.

use std::{collections::BTreeMap, fs, io, path::PathBuf};

use meoww_proto::{UserId, account::User};
use serde::{Deserialize, Serialize};

use crate::{
    config::Servers,
    error::Error,
    files::{file_error, open_private, write_private},
};

/// What is kept of one server.
#[derive(Default, Clone, Serialize, Deserialize)]
pub struct Kept {
    /// Logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
    /// By which the server knows this machine again, also after a logout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_token: Option<String>,
    /// Signed up, and not yet verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unverified: Option<UserId>,
}

/// A session.
#[derive(Clone, Serialize, Deserialize)]
pub struct Login {
    /// Whose.
    pub user: User,
    /// JWT, minutes to live.
    pub access_token: String,
    /// Opaque, single use, days to live.
    pub refresh_token: String,
}

#[derive(Default, Serialize, Deserialize)]
struct Sessions(BTreeMap<String, Kept>);

impl Sessions {
    /// The address that the session of a fleet is kept under: the first of which something is kept,
    /// so that more can be named later, in any order.
    fn name_of(&self, servers: &Servers) -> String {
        let mut names = servers.iter().map(ToString::to_string);
        let known = names.find(|name| self.0.contains_key(name));
        known.unwrap_or_else(|| servers.at(0).to_string())
    }
}

/// The file.
#[derive(Debug, Clone)]
pub struct SessionFile {
    path: PathBuf,
}

impl SessionFile {
    /// Nothing is read or made before it is needed.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// What is kept of `servers`.
    pub fn load(&self, servers: &Servers) -> Result<Kept, Error> {
        let mut sessions = self.read()?;
        let name = sessions.name_of(servers);
        Ok(sessions.0.remove(&name).unwrap_or_default())
    }

    /// Waits for the lock, which is held until the guard is dropped.
    pub fn lock(&self) -> Result<SessionGuard<'_>, Error> {
        let path = self.path.with_extension("lock");
        let locked = || {
            let file = open_private(&path)?;
            file.lock()?;
            Ok(file)
        };
        let lock = locked().map_err(|source| file_error(&path, source))?;
        Ok(SessionGuard { file: self, _lock: lock })
    }

    fn read(&self) -> Result<Sessions, Error> {
        match fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| file_error(&self.path, io::Error::other(error))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Sessions::default()),
            Err(error) => Err(file_error(&self.path, error)),
        }
    }
}

/// The right to change the file.
pub struct SessionGuard<'a> {
    file: &'a SessionFile,
    _lock: fs::File,
}

impl SessionGuard<'_> {
    /// What is kept of `servers`, by whoever held the lock last.
    pub fn load(&self, servers: &Servers) -> Result<Kept, Error> {
        self.file.load(servers)
    }

    /// Keeps this from now on.
    pub fn store(&self, servers: &Servers, kept: Kept) -> Result<(), Error> {
        let mut sessions = self.file.read()?;
        sessions.0.insert(sessions.name_of(servers), kept);
        let text = serde_json::to_vec_pretty(&sessions)
            .map_err(|error| file_error(&self.file.path, io::Error::other(error)))?;
        write_private(&self.file.path, &text).map_err(|source| file_error(&self.file.path, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_by_any_node_of_its_fleet() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = SessionFile::new(folder.path().join("sessions.json"));
        let servers = |text: &str| text.parse::<Servers>().expect("addresses");
        let kept = |token: &str| Kept { device_token: Some(token.to_owned()), ..Kept::default() };
        let token = |text| file.load(&servers(text)).expect("readable").device_token;
        let store = |text, token| {
            file.lock().expect("locked").store(&servers(text), kept(token)).expect("stored");
        };
        store("http://a:1", "first");
        assert_eq!(token("http://b:1,http://a:1").as_deref(), Some("first"));
        store("http://b:1,http://a:1", "second");
        assert_eq!(token("http://a:1").as_deref(), Some("second"));
        assert_eq!(token("http://b:1"), None);
    }
}
