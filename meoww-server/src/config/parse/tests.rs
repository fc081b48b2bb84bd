//! Every source of the configuration, and what is refused.

use super::*;
use std::path::Path;

use crate::config::Flags;

const STRONG: &str = "0123456789abcdef0123456789abcdef";

fn resolve(env: &[(&str, &str)], flags: Flags) -> Result<Config, ConfigError> {
    let env = |name: &str| {
        let found = env.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Config::resolve(flags, env)
}

fn from_env(env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    resolve(env, Flags { data_dir: Some("/data".into()), ..Flags::default() })
}

#[test]
fn nothing_said_gives_the_defaults() {
    let config = from_env(&[]).expect("valid");
    assert_eq!(config.listen.to_string(), "127.0.0.1:5000");
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.stun_url.as_deref(), Some("stun:stun.l.google.com:19302"));
    assert!(!config.secure_cookies && config.turn.is_none() && config.smtp_url.is_none());
}

#[test]
fn a_server_may_wait_for_no_call_but_no_token_lives_for_no_time() {
    let config = from_env(&[("MEOWW_DRAIN_GRACE", "0s")]).expect("valid");
    assert_eq!(config.drain_grace, Duration::ZERO);
    assert!(from_env(&[("ACCESS_TOKEN_EXPIRY", "0s")]).is_err());
}

#[test]
fn former_names_of_settings_are_read() {
    let of = |env: &[(&str, &str)]| from_env(env).expect("valid").limit_skips;
    assert!(!of(&[("MEOWW_PACE_SKIPS", "off")]));
    assert!(of(&[("MEOWW_PACE_SKIPS", "off"), ("MEOWW_LIMIT_SKIPS", "on")]));
    let file = Config::of_file(Path::new("meoww.toml"), "pace_skips = \"off\"").expect("valid");
    assert!(!file.limit_skips);
}

#[test]
fn origins_are_kept_as_browsers_send_them() {
    for (written, sent) in [
        ("https://App.Example:443", "https://app.example"),
        ("http://localhost:80/", "http://localhost"),
        ("https://b\u{fc}cher.example", "https://xn--bcher-kva.example"),
        ("http://[::1]:5173", "http://[::1]:5173"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("tauri://LOCALHOST", "tauri://localhost"),
    ] {
        let config = from_env(&[("FRONTEND_URL", written)]).expect("valid");
        assert_eq!(config.frontend_origins, [sent], "{written}");
    }
    for bad in
        ["localhost:5173", "https://", "https://a/b", "https://*.example", "https://u@a", "null"]
    {
        assert!(from_env(&[("FRONTEND_URL", bad)]).is_err(), "{bad}");
    }
}

#[test]
fn the_variables_of_the_node_backend_work() {
    let config = from_env(&[
        ("PORT", "8080"),
        ("FRONTEND_URL", "https://meoww.example/, http://localhost:3000"),
        ("JWT_ACCESS_SECRET", STRONG),
        ("ACCESS_TOKEN_EXPIRY", "5m"),
        ("REFRESH_TOKEN_EXPIRY", "30d"),
        ("TURN_SECRET", "north"),
        ("TURN_SERVER_URL", "turn:relay.example:3478"),
        ("EMAIL_FROM", "Meoww <hello@meoww.example>"),
        ("NODE_ENV", "production"),
        ("MEOWW_STUN_URL", ""),
        ("MEOWW_LIMIT_LOGIN", "off"),
        ("MEOWW_LIMIT_TURN", "7/90s"),
        ("MEOWW_TRUSTED_PROXIES", "127.0.0.1, fd00::/8"),
        ("MEOWW_PUBLIC_URL", "https://meoww.example/"),
    ])
    .expect("valid");
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.frontend_origins, ["https://meoww.example", "http://localhost:3000"]);
    assert_eq!(config.access_lifetime, Duration::from_secs(300));
    assert_eq!(config.refresh_lifetime, Duration::from_secs(30 * 86_400));
    assert!(config.secure_cookies && config.turn.is_some() && config.stun_url.is_none());
    assert_eq!(config.email_from.to_string(), "Meoww <hello@meoww.example>");
    assert_eq!(config.limits.login, None);
    assert_eq!(config.trusted_proxies.len(), 2);
    assert_eq!(config.public_url.as_deref(), Some("https://meoww.example"));
    let quota = Quota { requests: 7, window: Duration::from_secs(90) };
    assert_eq!(config.limits.turn, Some(quota));
}

#[test]
fn cookies_travel_over_tls_only_where_there_is_tls() {
    let tls = [("MEOWW_TLS_CERT", "cert.pem"), ("MEOWW_TLS_KEY", "key.pem")];
    let config = from_env(&tls).expect("valid");
    assert!(config.tls.is_some() && config.secure_cookies);
}

#[test]
fn flags_win_over_the_environment_which_wins_over_the_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("meoww.toml");
    let text = "listen = '127.0.0.1:1'\nemail_from = 'file@example.com'\n\
                access_token_expiry = '1m'\n[limits]\nlogin = '9/1h'\n";
    std::fs::write(&path, text).expect("written");
    let flags = Flags {
        listen: Some(std::net::SocketAddr::from(([127, 0, 0, 1], 3))),
        data_dir: Some("/data".into()),
        config: Some(path),
        ..Flags::default()
    };
    let env = [("MEOWW_LISTEN", "127.0.0.1:2"), ("EMAIL_FROM", "env@example.com")];
    let config = resolve(&env, flags).expect("valid");
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.email_from.to_string(), "env@example.com");
    assert_eq!(config.access_lifetime, Duration::from_secs(60));
    assert_eq!(config.limits.login.map(|quota| quota.requests), Some(9));
}

#[test]
fn a_port_in_the_environment_wins_over_an_address_in_the_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("meoww.toml");
    std::fs::write(&path, "listen = '127.0.0.1:1'").expect("written");
    let flags = Flags { config: Some(path), data_dir: Some("/data".into()), ..Flags::default() };
    let config = resolve(&[("PORT", "2")], flags).expect("valid");
    assert_eq!(config.listen.port(), 2);
}

#[test]
fn weak_secrets_are_refused_without_being_quoted() {
    let long = "your-secret-here-your-secret-here-your-secret-here";
    for weak in ["hunter2hunter2", "secret", "changeme", long, &"a".repeat(64)] {
        let error = from_env(&[("JWT_ACCESS_SECRET", weak)]).expect_err(weak);
        assert!(matches!(error, ConfigError::WeakSecret { name: "JWT_ACCESS_SECRET", .. }));
        assert!(!error.to_string().contains("hunter2"));
    }
    let env = [("TURN_SECRET", "changeme"), ("TURN_SERVER_URL", "turn:relay.example")];
    assert!(matches!(from_env(&env), Err(ConfigError::WeakSecret { .. })));
}

#[test]
fn nonsense_is_refused_by_name() {
    let cases = [
        ("PORT", "70000"),
        ("MEOWW_MAX_CONNECTIONS", "0"),
        ("MEOWW_LISTEN", "nowhere"),
        ("FRONTEND_URL", "*"),
        ("FRONTEND_URL", "https://a.example/path"),
        ("MEOWW_TRUSTED_PROXIES", "10.0.0.0/33"),
        ("MEOWW_TLS_CERT", "cert.pem"),
        ("MEOWW_PUBLIC_URL", "meoww.example"),
        ("MEOWW_PHOTO_STORE", "ftp://photos"),
        ("ACCESS_TOKEN_EXPIRY", "soon"),
        ("ACCESS_TOKEN_EXPIRY", "0m"),
        ("REFRESH_TOKEN_EXPIRY", "7µ"),
        ("TURN_SECRET", "north"),
        ("EMAIL_FROM", "nobody"),
        ("MEOWW_LIMIT_LOGIN", "0/1h"),
        ("MEOWW_LIMIT_LOGIN", "many"),
    ];
    for (name, text) in cases {
        let error = from_env(&[(name, text)]).expect_err(text);
        assert!(matches!(error, ConfigError::Invalid { .. }), "{name}={text}: {error}");
    }
}

#[test]
fn an_error_in_the_file_names_the_line_and_quotes_no_secret() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("meoww.toml");
    std::fs::write(&path, "port = '1'\njwt_access_secrets = 'hunter2'\n").expect("written");
    let flags = Flags { config: Some(path), ..Flags::default() };
    let error = resolve(&[], flags).expect_err("unknown field").to_string();
    assert!(error.contains("line 2") && error.contains("jwt_access_secrets"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn a_secret_without_quotes_is_not_quoted_either() {
    for text in
        ["turn_secret = 8675309", "jwt_access_secret = [8675309]", "turn_secret = 8675309.5"]
    {
        let error = Config::of_file(Path::new("meoww.toml"), text);
        let error = error.expect_err("no string").to_string();
        assert!(error.contains("line 1: expected a string"), "{error}");
        assert!(!error.contains("8675309"), "{error}");
    }
}
