//! Settings as they were said, in text, before anybody asked what they mean.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::ConfigError;

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

/// One source's settings; also the shape of the configuration file. What each means is said in
/// [`Config`](super::Config) and [`Limits`](super::Limits).
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) listen: Option<String>,
    pub(super) port: Option<String>,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) metrics_listen: Option<String>,
    pub(super) trusted_proxies: Option<String>,
    pub(super) public_url: Option<String>,
    pub(super) photo_store: Option<String>,
    pub(super) drain_grace: Option<String>,
    pub(super) pace_skips: Option<String>,
    pub(super) max_connections: Option<String>,
    pub(super) max_connections_per_address: Option<String>,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) frontend_url: Option<String>,
    pub(super) production: Option<bool>,
    pub(super) jwt_access_secret: Option<String>,
    pub(super) access_token_expiry: Option<String>,
    pub(super) refresh_token_expiry: Option<String>,
    pub(super) turn_secret: Option<String>,
    pub(super) turn_server_url: Option<String>,
    pub(super) stun_url: Option<String>,
    pub(super) smtp_url: Option<String>,
    pub(super) email_from: Option<String>,
    pub(super) limits: RawLimits,
}

/// `[limits]`, each like `"10/1h"` or `"off"`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawLimits {
    pub(super) signup: Option<String>,
    pub(super) login: Option<String>,
    pub(super) resend: Option<String>,
    pub(super) turn: Option<String>,
    pub(super) verify: Option<String>,
    pub(super) connect: Option<String>,
    pub(super) photo: Option<String>,
    pub(super) refresh: Option<String>,
    pub(super) session_refresh: Option<String>,
    pub(super) account_login: Option<String>,
    pub(super) account_login_total: Option<String>,
    pub(super) account_code: Option<String>,
}

impl Raw {
    pub(super) fn from_env(env: &impl Fn(&str) -> Option<String>) -> Self {
        // An empty variable is how a shell or a compose file says "not set".
        let get = |name| env(name).filter(|value| !value.is_empty());
        Self {
            listen: get("MEOWW_LISTEN"),
            port: get("PORT"),
            tls_cert: get("MEOWW_TLS_CERT").map(PathBuf::from),
            tls_key: get("MEOWW_TLS_KEY").map(PathBuf::from),
            metrics_listen: get("MEOWW_METRICS_LISTEN"),
            trusted_proxies: get("MEOWW_TRUSTED_PROXIES"),
            public_url: get("MEOWW_PUBLIC_URL"),
            photo_store: get("MEOWW_PHOTO_STORE"),
            drain_grace: get("MEOWW_DRAIN_GRACE"),
            pace_skips: get("MEOWW_PACE_SKIPS"),
            max_connections: get("MEOWW_MAX_CONNECTIONS"),
            max_connections_per_address: get("MEOWW_MAX_CONNECTIONS_PER_ADDRESS"),
            data_dir: get("MEOWW_DATA_DIR").map(PathBuf::from),
            frontend_url: get("FRONTEND_URL"),
            production: get("NODE_ENV").map(|value| value == "production"),
            jwt_access_secret: get("JWT_ACCESS_SECRET"),
            access_token_expiry: get("ACCESS_TOKEN_EXPIRY"),
            refresh_token_expiry: get("REFRESH_TOKEN_EXPIRY"),
            turn_secret: get("TURN_SECRET"),
            turn_server_url: get("TURN_SERVER_URL"),
            // Empty means something here: no STUN server.
            stun_url: env("MEOWW_STUN_URL"),
            smtp_url: get("MEOWW_SMTP_URL"),
            email_from: get("EMAIL_FROM"),
            limits: RawLimits {
                signup: get("MEOWW_LIMIT_SIGNUP"),
                login: get("MEOWW_LIMIT_LOGIN"),
                resend: get("MEOWW_LIMIT_RESEND"),
                turn: get("MEOWW_LIMIT_TURN"),
                verify: get("MEOWW_LIMIT_VERIFY"),
                connect: get("MEOWW_LIMIT_CONNECT"),
                photo: get("MEOWW_LIMIT_PHOTO"),
                refresh: get("MEOWW_LIMIT_REFRESH"),
                session_refresh: get("MEOWW_LIMIT_SESSION_REFRESH"),
                account_login: get("MEOWW_LIMIT_ACCOUNT_LOGIN"),
                account_login_total: get("MEOWW_LIMIT_ACCOUNT_LOGIN_TOTAL"),
                account_code: get("MEOWW_LIMIT_ACCOUNT_CODE"),
            },
        }
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
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            // A port alone must not hide behind an address from a lesser source.
            listen: if self.port.is_some() { self.listen } else { self.listen.or(other.listen) },
            port: self.port.or(other.port),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            metrics_listen: self.metrics_listen.or(other.metrics_listen),
            trusted_proxies: self.trusted_proxies.or(other.trusted_proxies),
            public_url: self.public_url.or(other.public_url),
            photo_store: self.photo_store.or(other.photo_store),
            drain_grace: self.drain_grace.or(other.drain_grace),
            pace_skips: self.pace_skips.or(other.pace_skips),
            max_connections: self.max_connections.or(other.max_connections),
            max_connections_per_address: self
                .max_connections_per_address
                .or(other.max_connections_per_address),
            data_dir: self.data_dir.or(other.data_dir),
            frontend_url: self.frontend_url.or(other.frontend_url),
            production: self.production.or(other.production),
            jwt_access_secret: self.jwt_access_secret.or(other.jwt_access_secret),
            access_token_expiry: self.access_token_expiry.or(other.access_token_expiry),
            refresh_token_expiry: self.refresh_token_expiry.or(other.refresh_token_expiry),
            turn_secret: self.turn_secret.or(other.turn_secret),
            turn_server_url: self.turn_server_url.or(other.turn_server_url),
            stun_url: self.stun_url.or(other.stun_url),
            smtp_url: self.smtp_url.or(other.smtp_url),
            email_from: self.email_from.or(other.email_from),
            limits: RawLimits {
                signup: self.limits.signup.or(other.limits.signup),
                login: self.limits.login.or(other.limits.login),
                resend: self.limits.resend.or(other.limits.resend),
                turn: self.limits.turn.or(other.limits.turn),
                verify: self.limits.verify.or(other.limits.verify),
                connect: self.limits.connect.or(other.limits.connect),
                photo: self.limits.photo.or(other.limits.photo),
                refresh: self.limits.refresh.or(other.limits.refresh),
                session_refresh: self.limits.session_refresh.or(other.limits.session_refresh),
                account_login: self.limits.account_login.or(other.limits.account_login),
                account_login_total: self
                    .limits
                    .account_login_total
                    .or(other.limits.account_login_total),
                account_code: self.limits.account_code.or(other.limits.account_code),
            },
        }
    }
}
