//! Settings as they were said, in text, before anybody asked what they mean.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, Visitor},
};

use super::{
    ConfigError,
    settings::{self, Setting},
};

/// What the command line may say.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--listen`.
    pub listen: Option<SocketAddr>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--tls-cert`.
    pub tls_cert: Option<PathBuf>,
    /// `--tls-key`.
    pub tls_key: Option<PathBuf>,
}

/// One source's settings by their keys, all of which [`settings`] knows.
#[derive(Debug, Default)]
pub(super) struct Raw(BTreeMap<&'static str, String>);

impl Raw {
    pub(super) fn from_env(env: &impl Fn(&str) -> Option<String>) -> Self {
        let said = |setting: &'static Setting| {
            let value = setting.read_env(env)?;
            match setting.key {
                "production" => Some((setting.key, (value == "production").to_string())),
                // Empty means something here: no STUN server.
                "stun_url" => Some((setting.key, value)),
                // Else it is how a shell or a compose file says "not set".
                key => (!value.is_empty()).then_some((key, value)),
            }
        };
        Self(settings::all().filter_map(said).collect())
    }

    pub(super) fn get(&self, key: &'static str) -> Option<&str> {
        debug_assert!(settings::find(key).is_some(), "{key} is no setting");
        self.0.get(key).map(String::as_str)
    }

    pub(super) fn set(&mut self, key: &'static str, value: Option<String>) {
        self.0.extend(value.map(|value| (key, value)));
    }

    pub(super) fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let fail = |reason| ConfigError::File { path: path.to_owned(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        Self::parse(&text).map_err(fail)
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        // TOML's own message quotes the line, which may hold a secret.
        toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            let message = error.message();
            // Of the wrong type: what it is would be quoted, what was expected is enough.
            let is_quoted =
                message.starts_with("invalid type") || message.starts_with("invalid value");
            let expected = message.find(", expected ").filter(|_| is_quoted).map(|at| at + 2);
            format!("line {line}: {}", &message[expected.unwrap_or_default()..])
        })
    }

    /// What `self` says, and where it says nothing, what `other` says.
    pub(super) fn or(mut self, mut other: Self) -> Self {
        // A port alone must not hide behind an address from a lesser source.
        if self.0.contains_key("port") {
            other.0.remove("listen");
        }
        other.0.append(&mut self.0);
        other
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Table::default().deserialize(deserializer)
    }
}

/// A table of settings, whose keys in [`settings`] begin with `prefix`.
#[derive(Default)]
struct Table {
    prefix: &'static str,
}

impl<'de> DeserializeSeed<'de> for Table {
    type Value = Raw;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Table {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Raw, M::Error> {
        let mut raw = Raw::default();
        while let Some(name) = map.next_key_seed(Name { prefix: self.prefix })? {
            match name {
                Known::Setting("production") => {
                    raw.0.insert("production", map.next_value::<bool>()?.to_string());
                }
                Known::Setting(key) => {
                    raw.0.insert(key, map.next_value()?);
                }
                Known::Table(prefix) => {
                    raw.0.append(&mut map.next_value_seed(Self { prefix })?.0);
                }
            }
        }
        Ok(raw)
    }
}

/// The name of a setting or of a table of them.
struct Name {
    prefix: &'static str,
}

enum Known {
    Setting(&'static str),
    Table(&'static str),
}

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Known;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Known, D::Error> {
        let name = String::deserialize(deserializer)?;
        if self.prefix.is_empty() && name == "limits" {
            return Ok(Known::Table("limits."));
        }
        let setting = settings::find(&format!("{}{name}", self.prefix));
        let known = setting.map(|setting| Known::Setting(setting.key));
        // Refused here, where the error gets the name's own line.
        known.ok_or_else(|| D::Error::custom(format!("unknown field `{name}`")))
    }
}
