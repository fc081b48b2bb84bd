//! What each setting means.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use etcetera::BaseStrategy;
use ipnet::IpNet;
use url::{Origin, Url};

use super::{Config, ConfigError, Limits, Raw, Secret, Tls, Turn};
use crate::core::limits::Quota;

/// Shortest access-token secret, in bytes: the size of HS256's hash (RFC 7518, 3.2).
const MIN_SECRET_BYTES: usize = 32;

pub(super) fn config(raw: &Raw) -> Result<Config, ConfigError> {
    let said = |key| raw.get(key).map(str::to_owned);
    let data_dir = said("data_dir").map_or_else(default_data_dir, |path| Ok(path.into()))?;
    let mut config = Config::new(data_dir);
    if let Some(text) = said("listen") {
        config.listen = value("MEOWW_LISTEN", &text, "is no ADDRESS:PORT")?;
    } else if let Some(text) = said("port") {
        config.listen.set_port(value("PORT", &text, "is no port")?);
    }
    config.tls = tls(said("tls_cert"), said("tls_key"))?;
    let metrics = |text: String| value("MEOWW_METRICS_LISTEN", &text, "is no ADDRESS:PORT");
    config.metrics_listen = said("metrics_listen").map(metrics).transpose()?;
    if let Some(text) = said("trusted_proxies") {
        config.trusted_proxies = networks(&text)?;
    }
    config.public_url = said("public_url").map(|text| public_url(&text)).transpose()?;
    if let Some(text) = said("photo_store") {
        let bucket = text
            .parse()
            .map_err(|reason| invalid("MEOWW_PHOTO_STORE", format!("{text:?} {reason}")))?;
        config.photo_store = Some(bucket);
    }
    if let Some(text) = said("drain_grace") {
        let fail = || not_a_duration("MEOWW_DRAIN_GRACE", &text);
        // Nothing at all is a grace, too: calls are not waited for.
        config.drain_grace = grace(&text).ok_or_else(fail)?;
    }
    config.limit_skips = switch("MEOWW_LIMIT_SKIPS", said("limit_skips"), config.limit_skips)?;
    config.max_connections = most("MEOWW_MAX_CONNECTIONS", said("max_connections"))?;
    let per_address =
        most("MEOWW_MAX_CONNECTIONS_PER_ADDRESS", said("max_connections_per_address"))?;
    config.max_connections_per_address = per_address.unwrap_or(config.max_connections_per_address);
    shared(raw, &mut config)?;
    if let Some(text) = said("frontend_url") {
        config.frontend_origins = origins(&text)?;
    }
    config.secure_cookies = raw.get("production") == Some("true") || config.tls.is_some();
    config.access_secret = said("jwt_access_secret").map(access_secret).transpose()?;
    if let Some(text) = said("access_token_expiry") {
        config.access_lifetime = duration("ACCESS_TOKEN_EXPIRY", &text)?;
    }
    if let Some(text) = said("refresh_token_expiry") {
        config.refresh_lifetime = duration("REFRESH_TOKEN_EXPIRY", &text)?;
    }
    config.turn = turn(said("turn_server_url"), said("turn_secret"))?;
    if let Some(text) = said("stun_url") {
        config.stun_url = (!text.is_empty()).then_some(text);
    }
    config.smtp_url = said("smtp_url").map(Secret::new);
    if let Some(text) = said("email_from") {
        config.email_from = value("EMAIL_FROM", &text, "is no mailbox")?;
    }
    config.limits = limits(raw, config.limits)?;
    Ok(config)
}

/// Reads the settings of the database and the bus that several servers share.
fn shared(raw: &Raw, config: &mut Config) -> Result<(), ConfigError> {
    let said = |key| raw.get(key).map(str::to_owned);
    let database = |text: String| {
        // The reason quotes nothing: there may be a password in it.
        text.parse().map_err(|reason: String| invalid("MEOWW_DATABASE_URL", reason))
    };
    config.database = said("database_url").map(database).transpose()?;
    config.nats = said("nats_url").map(Secret::new);
    if config.nats.is_some() && config.database.is_none() {
        return Err(invalid(
            "MEOWW_NATS_URL",
            "nodes share a database: set MEOWW_DATABASE_URL, too",
        ));
    }
    let connections = most("MEOWW_DATABASE_CONNECTIONS", said("database_connections"))?;
    config.database_connections = connections.unwrap_or(config.database_connections);
    Ok(())
}

fn limits(raw: &Raw, standard: Limits) -> Result<Limits, ConfigError> {
    let said = |key| raw.get(key).map(str::to_owned);
    Ok(Limits {
        signup: quota("MEOWW_LIMIT_SIGNUP", said("limits.signup"), standard.signup)?,
        login: quota("MEOWW_LIMIT_LOGIN", said("limits.login"), standard.login)?,
        resend: quota("MEOWW_LIMIT_RESEND", said("limits.resend"), standard.resend)?,
        turn: quota("MEOWW_LIMIT_TURN", said("limits.turn"), standard.turn)?,
        verify: quota("MEOWW_LIMIT_VERIFY", said("limits.verify"), standard.verify)?,
        connect: quota("MEOWW_LIMIT_CONNECT", said("limits.connect"), standard.connect)?,
        photo: quota("MEOWW_LIMIT_PHOTO", said("limits.photo"), standard.photo)?,
        refresh: quota("MEOWW_LIMIT_REFRESH", said("limits.refresh"), standard.refresh)?,
        session_refresh: quota(
            "MEOWW_LIMIT_SESSION_REFRESH",
            said("limits.session_refresh"),
            standard.session_refresh,
        )?,
        account_login: quota(
            "MEOWW_LIMIT_ACCOUNT_LOGIN",
            said("limits.account_login"),
            standard.account_login,
        )?,
        account_login_total: quota(
            "MEOWW_LIMIT_ACCOUNT_LOGIN_TOTAL",
            said("limits.account_login_total"),
            standard.account_login_total,
        )?,
        account_code: quota(
            "MEOWW_LIMIT_ACCOUNT_CODE",
            said("limits.account_code"),
            standard.account_code,
        )?,
    })
}

fn invalid(name: &'static str, reason: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { name, reason: reason.into() }
}

fn value<T: std::str::FromStr>(
    name: &'static str,
    text: &str,
    reason: &str,
) -> Result<T, ConfigError> {
    text.trim().parse().map_err(|_| invalid(name, format!("{text:?} {reason}")))
}

fn most(name: &'static str, text: Option<String>) -> Result<Option<u32>, ConfigError> {
    let number = |text: String| value(name, &text, "is no number above zero");
    Ok(text.map(number).transpose()?.map(std::num::NonZeroU32::get))
}

fn default_data_dir() -> Result<PathBuf, ConfigError> {
    let strategy = etcetera::choose_base_strategy().map_err(|_| ConfigError::NoHome)?;
    Ok(strategy.data_dir().join("meoww-server"))
}

fn tls(cert: Option<String>, key: Option<String>) -> Result<Option<Tls>, ConfigError> {
    match (cert, key) {
        (None, None) => Ok(None),
        (Some(cert), Some(key)) => Ok(Some(Tls { cert: cert.into(), key: key.into() })),
        (Some(_), None) => Err(invalid("MEOWW_TLS_KEY", "missing beside MEOWW_TLS_CERT")),
        (None, Some(_)) => Err(invalid("MEOWW_TLS_CERT", "missing beside MEOWW_TLS_KEY")),
    }
}

/// Addresses and networks (`10.0.0.0/8`), separated by commas.
fn networks(text: &str) -> Result<Vec<IpNet>, ConfigError> {
    let network = |part: &str| {
        let part = part.trim();
        let address = || part.parse::<IpAddr>().ok().map(IpNet::from);
        let fail =
            || invalid("MEOWW_TRUSTED_PROXIES", format!("{part:?} is no address or network"));
        part.parse().ok().or_else(address).ok_or_else(fail)
    };
    text.split(',').filter(|part| !part.trim().is_empty()).map(network).collect()
}

fn public_url(text: &str) -> Result<String, ConfigError> {
    let url = text.trim().trim_end_matches('/');
    match url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) {
        Some(rest) if !rest.is_empty() && !rest.contains(char::is_whitespace) => Ok(url.to_owned()),
        Some(_) | None => Err(invalid("MEOWW_PUBLIC_URL", format!("{text:?} is no http(s) URL"))),
    }
}

fn switch(name: &'static str, text: Option<String>, standard: bool) -> Result<bool, ConfigError> {
    match text.as_deref().map(str::trim) {
        None => Ok(standard),
        Some("on") => Ok(true),
        Some("off") => Ok(false),
        Some(other) => Err(invalid(name, format!("{other:?} is neither on nor off"))),
    }
}

fn origins(text: &str) -> Result<Vec<String>, ConfigError> {
    let origin = |part: &str| {
        let no_origin =
            || invalid("FRONTEND_URL", format!("{part:?} is no origin, like https://HOST[:PORT]"));
        origin(part.trim()).ok_or_else(no_origin)
    };
    text.split(',').filter(|part| !part.trim().is_empty()).map(origin).collect()
}

/// As browsers write it (the URL standard, 4.7): lower case, without the port that is the scheme's
/// own, and without a path, so that one written as a URL loses its last slash. Apps have schemes of
/// their own, such as `capacitor://localhost`.
fn origin(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str().filter(|host| !host.is_empty() && !host.contains('*'))?;
    let is_bare =
        matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    if !is_bare || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    match url.origin() {
        known @ Origin::Tuple(..) => Some(known.ascii_serialization()),
        Origin::Opaque(_) => {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            Some(format!("{}://{}{port}", url.scheme(), host.to_ascii_lowercase()))
        }
    }
}

fn access_secret(text: String) -> Result<Secret, ConfigError> {
    const NAME: &str = "JWT_ACCESS_SECRET";
    refuse_placeholder(NAME, &text)?;
    if text.len() < MIN_SECRET_BYTES {
        return Err(ConfigError::WeakSecret { name: NAME, reason: "is shorter than 32 bytes" });
    }
    Ok(Secret::new(text))
}

fn turn(url: Option<String>, secret: Option<String>) -> Result<Option<Turn>, ConfigError> {
    match (url, secret) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(invalid("TURN_SECRET", "missing beside TURN_SERVER_URL")),
        (None, Some(_)) => Err(invalid("TURN_SERVER_URL", "missing beside TURN_SECRET")),
        (Some(url), Some(secret)) => {
            if !url.starts_with("turn:") && !url.starts_with("turns:") {
                return Err(invalid(
                    "TURN_SERVER_URL",
                    format!("{url:?} is no turn: or turns: URL"),
                ));
            }
            refuse_placeholder("TURN_SECRET", &secret)?;
            Ok(Some(Turn { url, secret: Secret::new(secret) }))
        }
    }
}

/// Refuses what examples put in a secret's place, however it is spelled or repeated.
fn refuse_placeholder(name: &'static str, text: &str) -> Result<(), ConfigError> {
    const PLACEHOLDERS: [&str; 8] = [
        "secret",
        "changeme",
        "your",
        "replaceme",
        "example",
        "password",
        "placeholder",
        "jwtsecret",
    ];
    let letters: String =
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let monotonous = text.bytes().collect::<std::collections::BTreeSet<_>>().len() < 5;
    if monotonous || PLACEHOLDERS.iter().any(|word| letters.starts_with(word)) {
        return Err(ConfigError::WeakSecret { name, reason: "is a placeholder, not a secret" });
    }
    Ok(())
}

fn duration(name: &'static str, text: &str) -> Result<Duration, ConfigError> {
    length(text).ok_or_else(|| not_a_duration(name, text))
}

fn not_a_duration(name: &'static str, text: &str) -> ConfigError {
    invalid(name, format!("{text:?} is no duration like 90s, 15m, 1h or 7d"))
}

/// `90s`, `15m`, `1h` or `7d`.
pub(crate) fn length(text: &str) -> Option<Duration> {
    grace(text).filter(|length| !length.is_zero())
}

/// Likewise, or `0s`.
pub(crate) fn grace(text: &str) -> Option<Duration> {
    let text = text.trim();
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return None,
    };
    let count: u32 = text.strip_suffix(unit)?.trim().parse().ok()?;
    Some(Duration::from_secs(u64::from(count) * seconds))
}

/// `10/1h`, or `off`.
fn quota(
    name: &'static str,
    text: Option<String>,
    standard: Option<Quota>,
) -> Result<Option<Quota>, ConfigError> {
    let Some(text) = text else { return Ok(standard) };
    if text.trim() == "off" {
        return Ok(None);
    }
    let parts = text.split_once('/').and_then(|(n, window)| Some((n.trim().parse().ok()?, window)));
    match parts {
        Some((requests, window)) if requests > 0 => {
            Ok(Some(Quota { requests, window: duration(name, window)? }))
        }
        Some(_) | None => Err(invalid(name, format!("{text:?} is neither like 10/1h nor off"))),
    }
}

#[cfg(test)]
mod tests;
