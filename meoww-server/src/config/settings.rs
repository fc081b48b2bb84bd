//! Every setting by name: for showing which is in force and why, and for the file that explains
//! them.

use std::fmt::Write;

use super::{Config, ConfigError, Flags};

/// One setting.
pub(super) struct Setting {
    /// In the file; what comes after a dot is in a table.
    pub(super) key: &'static str,
    pub(super) env: &'static str,
    about: &'static str,
    /// As one would write it; where there is none, an example.
    default: Result<&'static str, &'static str>,
    is_secret: bool,
}

/// A setting in force.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct InForce {
    pub(crate) setting: &'static str,
    /// Nothing where it is not set and has no default.
    pub(crate) value: Option<String>,
    pub(crate) source: &'static str,
    pub(crate) variable: &'static str,
}

const fn setting(
    key: &'static str,
    env: &'static str,
    default: Result<&'static str, &'static str>,
    about: &'static str,
) -> Setting {
    Setting { key, env, about, default, is_secret: false }
}

const fn secret(
    key: &'static str,
    env: &'static str,
    example: &'static str,
    about: &'static str,
) -> Setting {
    Setting { key, env, about, default: Err(example), is_secret: true }
}

/// In the order of the file; tables last.
static SETTINGS: &[Setting] = &[
    setting(
        "data_dir",
        "MEOWW_DATA_DIR",
        Err("/var/lib/meoww-server"),
        "Directory of the database, the secrets and the outbox; by default the user's own.",
    ),
    setting(
        "listen",
        "MEOWW_LISTEN",
        Ok("127.0.0.1:5000"),
        "Where it listens; port 0 takes a free one.",
    ),
    setting("port", "PORT", Err("5000"), "Only the port, as the Node.js backend had it."),
    setting(
        "tls_cert",
        "MEOWW_TLS_CERT",
        Err("/etc/meoww/fullchain.pem"),
        "Certificate chain, for those without a proxy in front.",
    ),
    setting("tls_key", "MEOWW_TLS_KEY", Err("/etc/meoww/privkey.pem"), "Its private key."),
    setting(
        "metrics_listen",
        "MEOWW_METRICS_LISTEN",
        Err("127.0.0.1:9090"),
        "Where it answers /metrics and /ready, apart from what the world can reach.",
    ),
    setting(
        "trusted_proxies",
        "MEOWW_TRUSTED_PROXIES",
        Err("127.0.0.1, 10.0.0.0/8"),
        "Proxies whose X-Forwarded-For is believed.",
    ),
    setting(
        "public_url",
        "MEOWW_PUBLIC_URL",
        Err("https://meoww.example"),
        "How the world reaches it.",
    ),
    setting(
        "photo_store",
        "MEOWW_PHOTO_STORE",
        Err("s3://BUCKET/PREFIX"),
        "Where profile photos are kept; by default in the data directory.",
    ),
    setting(
        "drain_grace",
        "MEOWW_DRAIN_GRACE",
        Ok("5m"),
        "How long calls may go on once no new ones are made.",
    ),
    setting(
        "limit_skips",
        "MEOWW_LIMIT_SKIPS",
        Ok("on"),
        "Whether who skips too fast is made to wait; off is for load tests.",
    ),
    setting(
        "max_connections",
        "MEOWW_MAX_CONNECTIONS",
        Err("20000"),
        "Most open connections; by default as many as the system gives files for.",
    ),
    setting(
        "max_connections_per_address",
        "MEOWW_MAX_CONNECTIONS_PER_ADDRESS",
        Ok("512"),
        "Most open connections of one client address that is no trusted proxy.",
    ),
    secret(
        "database_url",
        "MEOWW_DATABASE_URL",
        "postgres://user:password@db.example/meoww?sslmode=verify-full",
        "PostgreSQL for several servers; by default the database is in the data directory.",
    ),
    setting(
        "database_connections",
        "MEOWW_DATABASE_CONNECTIONS",
        Ok("16"),
        "Most connections of this server to PostgreSQL.",
    ),
    secret(
        "nats_url",
        "MEOWW_NATS_URL",
        "nats://user:password@nats.example:4222",
        "NATS between the servers on one database; by default this one matches alone.",
    ),
    setting(
        "frontend_url",
        "FRONTEND_URL",
        Ok("http://localhost:5173"),
        "Origins of web pages that may use this server, separated by commas.",
    ),
    setting(
        "production",
        "NODE_ENV",
        Ok("false"),
        "Cookies only over HTTPS; NODE_ENV=production says the same.",
    ),
    secret(
        "jwt_access_secret",
        "JWT_ACCESS_SECRET",
        "openssl rand -hex 32",
        "Key of the access tokens; without one the server makes its own.",
    ),
    setting(
        "access_token_expiry",
        "ACCESS_TOKEN_EXPIRY",
        Ok("15m"),
        "How long an access token is good.",
    ),
    setting(
        "refresh_token_expiry",
        "REFRESH_TOKEN_EXPIRY",
        Ok("7d"),
        "How long a session lasts without a refresh.",
    ),
    setting(
        "turn_server_url",
        "TURN_SERVER_URL",
        Err("turn:relay.example:3478"),
        "A coturn with use-auth-secret.",
    ),
    secret("turn_secret", "TURN_SECRET", "openssl rand -hex 32", "Its static-auth-secret."),
    setting(
        "stun_url",
        "MEOWW_STUN_URL",
        Ok("stun:stun.l.google.com:19302"),
        "The STUN server told to clients; empty for none.",
    ),
    secret(
        "smtp_url",
        "MEOWW_SMTP_URL",
        "smtps://user:password@mail.example",
        "The mail server; without one mail goes to files in DATA_DIR/outbox.",
    ),
    setting("email_from", "EMAIL_FROM", Ok("Meoww <meoww@localhost>"), "Sender of mail."),
    setting(
        "limits.signup",
        "MEOWW_LIMIT_SIGNUP",
        Ok("10/1h"),
        "Sign-ups of one address; off for no limit.",
    ),
    setting("limits.login", "MEOWW_LIMIT_LOGIN", Ok("5/15m"), "Failed logins from one address."),
    setting(
        "limits.connect",
        "MEOWW_LIMIT_CONNECT",
        Ok("12000/1m"),
        "Sockets opened from one address.",
    ),
    setting(
        "limits.photo",
        "MEOWW_LIMIT_PHOTO",
        Ok("20/1h"),
        "Profile photos set from one address.",
    ),
    setting(
        "limits.resend",
        "MEOWW_LIMIT_RESEND",
        Ok("3/1h"),
        "Requests for a new code from one address.",
    ),
    setting(
        "limits.turn",
        "MEOWW_LIMIT_TURN",
        Ok("10/1h"),
        "Requests for TURN credentials from one address.",
    ),
    setting(
        "limits.verify",
        "MEOWW_LIMIT_VERIFY",
        Ok("30/15m"),
        "Codes sent back from one address.",
    ),
    setting(
        "limits.refresh",
        "MEOWW_LIMIT_REFRESH",
        Ok("600/1m"),
        "Sessions refreshed or ended from one address.",
    ),
    setting(
        "limits.session_refresh",
        "MEOWW_LIMIT_SESSION_REFRESH",
        Ok("30/1m"),
        "Refreshes of one session.",
    ),
    setting(
        "limits.account_login",
        "MEOWW_LIMIT_ACCOUNT_LOGIN",
        Ok("10/15m"),
        "Failed logins to one account from one address or known device.",
    ),
    setting(
        "limits.account_login_total",
        "MEOWW_LIMIT_ACCOUNT_LOGIN_TOTAL",
        Ok("100/15m"),
        "Failed logins to one account from all addresses; known devices still may.",
    ),
    setting(
        "limits.account_code",
        "MEOWW_LIMIT_ACCOUNT_CODE",
        Ok("5/1h"),
        "Codes mailed to one account, whoever asks.",
    ),
];

/// Every setting, in the order of the file.
pub(super) fn all() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter()
}

/// Names of earlier releases that are still read: key and variable, and the key of today.
const FORMER_NAMES: [(&str, &str, &str); 1] = [("pace_skips", "MEOWW_PACE_SKIPS", "limit_skips")];

/// Returns the setting of a key, also of a former one.
pub(super) fn find(key: &str) -> Option<&'static Setting> {
    let former = FORMER_NAMES.iter().find(|(former, ..)| *former == key);
    let key = former.map_or(key, |(.., key)| key);
    all().find(|setting| setting.key == key)
}

impl Setting {
    /// Returns the value of its variable, or else of the former one.
    pub(super) fn read_env(&self, env: &impl Fn(&str) -> Option<String>) -> Option<String> {
        let former = FORMER_NAMES.iter().find(|(.., key)| *key == self.key);
        env(self.env).or_else(|| env(former?.1))
    }
}

/// What is in force, and who says so. Nothing secret is in it.
pub(crate) fn in_force(
    flags: Flags,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Vec<InForce>, ConfigError> {
    // What cannot be in force is not shown.
    let config = Config::resolve(flags.clone(), &env)?;
    let sources = Config::sources(flags, &env)?;
    let show = |setting: &Setting| {
        let found =
            sources.iter().find_map(|(name, raw)| Some((*name, raw.get(setting.key)?.to_owned())));
        let (source, value) = match (found, setting.default) {
            (Some((source, value)), _) => (source, Some(value)),
            (None, Ok(default)) => ("default", Some(default.to_owned())),
            (None, Err(_)) if setting.key == "data_dir" => {
                ("default", Some(config.data_dir.display().to_string()))
            }
            (None, Err(_)) => ("not set", None),
        };
        let hidden = |value: String| if setting.is_secret { "(hidden)".to_owned() } else { value };
        let (setting, variable) = (setting.key, setting.env);
        InForce { setting, value: value.map(hidden), source, variable }
    };
    Ok(SETTINGS.iter().map(show).collect())
}

/// A file that sets nothing and explains everything.
pub(crate) fn template() -> String {
    let mut text = String::from(
        "# Settings of meoww-server. Flags come before environment variables, and those before\n\
         # this file. Take the # away from what you want to set.\n",
    );
    let mut table = "";
    for Setting { key, env, about, default, .. } in SETTINGS {
        let name = match key.split_once('.') {
            Some((in_table, name)) => {
                if in_table != table {
                    table = in_table;
                    // Writing to a string cannot fail.
                    let _ = write!(text, "\n[{in_table}]\n");
                }
                name
            }
            None => key,
        };
        let (kind, value) = match default {
            Ok(value) => ("default", value),
            Err(example) => ("example", example),
        };
        let value = if *key == "production" { (*value).to_owned() } else { format!("{value:?}") };
        let _ = write!(text, "\n# {about}\n# Variable: {env}\n# {kind}:\n#{name} = {value}\n");
    }
    text
}

#[cfg(test)]
mod tests;
