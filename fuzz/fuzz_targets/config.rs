//! The configuration, from a file or from variables: refused without a word of its secrets, or
//! within bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meoww_server::{
    config::{Config, ConfigError, Flags},
    fuzzing::configuration,
};

/// Variables as `NAME=VALUE` lines. One that names a file is left out: it would be read.
fn from_variables(text: &str) -> Result<Config, ConfigError> {
    let variables: Vec<_> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let flags = Flags { data_dir: Some("/data".into()), ..Flags::default() };
    let outcome = Config::resolve(flags, |name| {
        let found = variables.iter().find(|(key, _)| *key == name && name != "MEOWW_CONFIG");
        found.map(|(_, value)| (*value).to_owned())
    });
    if let Err(error) = &outcome {
        let said = error.to_string();
        for name in ["JWT_ACCESS_SECRET", "TURN_SECRET", "MEOWW_SMTP_URL"] {
            let secret = variables.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
            let is_elsewhere = |secret: &str| {
                variables.iter().any(|(key, value)| *key != name && value.contains(secret))
            };
            if let Some(secret) = secret.filter(|text| text.len() > 40 && !is_elsewhere(text)) {
                assert!(!said.contains(secret), "{said}");
            }
        }
    }
    outcome
}

fn check(config: &Config) {
    assert!(!config.access_lifetime.is_zero() && !config.refresh_lifetime.is_zero());
    assert!(config.max_connections_per_address > 0 && config.max_connections != Some(0));
    assert!(config.access_secret.as_ref().is_none_or(|secret| secret.expose().len() >= 32));
    assert!(config.tls.is_none() || config.secure_cookies);
    for origin in &config.frontend_origins {
        let (scheme, host) = origin.split_once("://").expect("a scheme");
        assert!(!scheme.is_empty() && !host.is_empty() && origin.is_ascii(), "{origin}");
        assert!(!host.contains(['/', '?', '#', '@', '*', ',', ' ']), "{origin}");
    }
    for quota in [config.limits.login, config.limits.signup, config.limits.connect] {
        assert!(quota.is_none_or(|quota| quota.requests > 0 && !quota.window.is_zero()));
    }
}

fuzz_target!(|text: &str| {
    for config in [configuration(text), from_variables(text)].into_iter().flatten() {
        check(&config);
    }
});
