//! Where the database of several servers is.

use std::{fmt, path::PathBuf, str::FromStr};

use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use url::form_urlencoded;

/// The contents of `postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?PARAMETER=VALUE`, as libpq
/// reads it.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    settings: tokio_postgres::Config,
    /// Whether the certificate of the database is verified, with its name.
    pub(crate) is_verified: bool,
    /// The file of the authorities it is verified by; without one, those of the system.
    pub(crate) authorities: Option<PathBuf>,
}

impl DatabaseUrl {
    /// The settings of a connection. Of several hosts it is the one that takes writes.
    pub(crate) fn settings(&self) -> tokio_postgres::Config {
        let mut settings = self.settings.clone();
        settings.target_session_attrs(TargetSessionAttrs::ReadWrite);
        if settings.get_application_name().is_none() {
            settings.application_name("meoww-server");
        }
        settings
    }

    /// Its hosts and ports, and nothing secret.
    pub(crate) fn place(&self) -> String {
        let ports = self.settings.get_ports();
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        let hosts = self.settings.get_hosts().iter().enumerate().map(|(at, host)| match host {
            Host::Tcp(name) => format!("{name}:{}", port(at)),
            Host::Unix(path) => format!("{}/.s.PGSQL.{}", path.display(), port(at)),
        });
        hosts.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({})", self.place())
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    /// The reason quotes nothing of the text, in which there may be a password.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if !["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Err("is no postgres://USER:PASSWORD@HOST/DATABASE".into());
        }
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let (mut mode, mut authorities) = (None, None);
        let mut rest = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "sslmode" => mode = Some(value.into_owned()),
                "sslrootcert" => authorities = Some(PathBuf::from(value.into_owned())),
                _ => drop(rest.append_pair(&name, &value)),
            }
        }
        // A plus sign stays one, and is not read as a space.
        let rest = rest.finish().replace('+', "%20");
        let mut settings = format!("{base}?{rest}")
            .parse::<tokio_postgres::Config>()
            .map_err(|error| reason(&error))?;
        if settings.get_hosts().is_empty() {
            return Err("names no host".into());
        }
        let (ssl, is_verified) = match mode.as_deref() {
            None if authorities.is_some() => (SslMode::Require, true),
            None | Some("prefer") => (SslMode::Prefer, false),
            Some("disable") => (SslMode::Disable, false),
            Some("require") => (SslMode::Require, authorities.is_some()),
            Some("verify-full") => (SslMode::Require, true),
            Some(_) => return Err("sslmode is disable, prefer, require or verify-full".into()),
        };
        settings.ssl_mode(ssl);
        Ok(Self { settings, is_verified, authorities })
    }
}

fn reason(error: &tokio_postgres::Error) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_tls_are_read_and_no_password_is_shown() {
        let text = "postgres://ada:hunter2@one:5433,two:5434/meoww?sslmode=verify-full\
                    &connect_timeout=3&options=-c%20search_path%3Dchat";
        let url: DatabaseUrl = text.parse().expect("a URL");
        assert_eq!(url.place(), "one:5433, two:5434");
        assert!(url.is_verified && url.authorities.is_none());
        let settings = url.settings();
        assert_eq!(settings.get_ssl_mode(), SslMode::Require);
        assert_eq!(settings.get_options(), Some("-c search_path=chat"));
        assert_eq!(settings.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        assert_eq!(settings.get_password(), Some(&b"hunter2"[..]));
        assert!(!format!("{url:?}").contains("hunter2"));
        let local: DatabaseUrl = "postgres:///meoww?host=/run/postgresql".parse().expect("a URL");
        assert_eq!(local.place(), "/run/postgresql/.s.PGSQL.5432");
        let own: DatabaseUrl = "postgres://one/db?sslrootcert=/ca.pem".parse().expect("a URL");
        assert!(own.is_verified && own.settings().get_ssl_mode() == SslMode::Require);
    }

    #[test]
    fn nonsense_is_refused_without_a_word_of_it() {
        for nonsense in [
            "",
            "mysql://ada:hunter2@one/db",
            "postgres://ada:hunter2@one:port/db",
            "postgres://ada:hunter2@one/db?sslmode=maybe",
            "postgres://ada:hunter2@one/db?hunter2=1",
            "postgres:///db",
        ] {
            let reason = nonsense.parse::<DatabaseUrl>().expect_err(nonsense);
            assert!(!reason.contains("ada") && !reason.contains("hunter2@"), "{reason}");
        }
    }
}
