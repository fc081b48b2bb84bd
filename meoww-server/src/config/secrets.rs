//! Secrets: how they are held, and those a server makes for itself on its first start.

use std::{
    fmt, fs,
    io::{self, Write},
    path::Path,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rand::{CryptoRng, RngExt};
use serde::{Deserialize, Serialize};

use crate::atomic_file::AtomicFile;

/// A text that must not reach a log.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes a text as a secret from here on.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for whoever has to use it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Keys the server made for itself.
pub struct OwnSecrets {
    /// For access tokens, where the configuration has none.
    pub access: [u8; 32],
    /// For one-time codes at rest.
    pub otp: [u8; 32],
}

#[derive(Serialize, Deserialize)]
struct SecretsFile {
    access: String,
    otp: String,
}

/// Reads the keys from `path`, or draws them and puts them on disk before anybody relies on them.
///
/// Fails with [`io::ErrorKind::InvalidData`] on a file that is not one of ours: replacing it would
/// silently log everybody out.
pub fn load_or_create(path: &Path, rng: &mut impl CryptoRng) -> io::Result<OwnSecrets> {
    if let Some(secrets) = load(path)? {
        return Ok(secrets);
    }
    let secrets = draw(rng);
    write_new(path, &secrets)?;
    Ok(secrets)
}

/// Reads the keys from `path`, or draws what a first start would, and writes nothing.
pub(crate) fn load_or_draw(path: &Path, rng: &mut impl CryptoRng) -> io::Result<OwnSecrets> {
    Ok(load(path)?.unwrap_or_else(|| draw(rng)))
}

fn load(path: &Path) -> io::Result<Option<OwnSecrets>> {
    match fs::read_to_string(path) {
        Ok(text) => parse(&text).map(Some).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "is damaged; restore it from a backup")
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn draw(rng: &mut impl CryptoRng) -> OwnSecrets {
    OwnSecrets { access: rng.random(), otp: rng.random() }
}

fn parse(text: &str) -> Option<OwnSecrets> {
    let key = |text: &str| STANDARD.decode(text).ok()?.try_into().ok();
    let file: SecretsFile = toml::from_str(text).ok()?;
    Some(OwnSecrets { access: key(&file.access)?, otp: key(&file.otp)? })
}

/// A crash leaves either no file or a whole one.
fn write_new(path: &Path, secrets: &OwnSecrets) -> io::Result<()> {
    let file =
        SecretsFile { access: STANDARD.encode(secrets.access), otp: STANDARD.encode(secrets.otp) };
    let text = toml::to_string(&file).map_err(io::Error::other)?;
    let mut draft = AtomicFile::create(path)?;
    draft.write_all(text.as_bytes())?;
    draft.commit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn secrets_are_made_once_and_for_the_owner_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("secrets.toml");
        let made = load_or_create(&path, &mut rand::rng()).expect("made");
        let read = load_or_create(&path, &mut rand::rng()).expect("read");
        assert!(made.access == read.access && made.otp == read.otp && made.access != made.otp);
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(format!("{:?}", Secret::new("hunter2".into())), "Secret");
    }

    #[test]
    fn a_damaged_file_is_not_replaced() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("secrets.toml");
        fs::write(&path, "access = 'short'\notp = ''\n").expect("written");
        assert!(load_or_create(&path, &mut rand::rng()).is_err());
        assert!(fs::read_to_string(&path).expect("there").starts_with("access = 'short'"));
    }
}
