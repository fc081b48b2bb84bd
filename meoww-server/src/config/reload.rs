//! What of a new configuration a running server cannot take up.

use super::{Config, Secret, Turn};

impl Config {
    /// The settings in which `new` differs and which hold until a restart, by the names of their
    /// variables. Every field is named here, so that a new one cannot be forgotten.
    pub(crate) fn fixed_differences(&self, new: &Self) -> Vec<&'static str> {
        let Self {
            listen,
            tls,
            metrics_listen,
            trusted_proxies,
            public_url,
            photo_store,
            drain_grace,
            limit_skips,
            max_connections,
            max_connections_per_address,
            nats,
            database,
            database_connections,
            data_dir,
            frontend_origins: _,
            secure_cookies,
            access_secret,
            access_lifetime,
            refresh_lifetime,
            turn,
            stun_url,
            smtp_url: _,
            email_from: _,
            limits: _,
        } = self;
        let per_address = &new.max_connections_per_address;
        let compared = [
            ("MEOWW_LISTEN", *listen == new.listen),
            ("MEOWW_TLS_CERT, MEOWW_TLS_KEY", *tls == new.tls),
            ("MEOWW_METRICS_LISTEN", *metrics_listen == new.metrics_listen),
            ("MEOWW_TRUSTED_PROXIES", *trusted_proxies == new.trusted_proxies),
            ("MEOWW_PUBLIC_URL", *public_url == new.public_url),
            ("MEOWW_PHOTO_STORE", *photo_store == new.photo_store),
            ("MEOWW_DRAIN_GRACE", *drain_grace == new.drain_grace),
            ("MEOWW_LIMIT_SKIPS", *limit_skips == new.limit_skips),
            ("MEOWW_MAX_CONNECTIONS", *max_connections == new.max_connections),
            ("MEOWW_MAX_CONNECTIONS_PER_ADDRESS", max_connections_per_address == per_address),
            ("MEOWW_NATS_URL", text(nats) == text(&new.nats)),
            ("MEOWW_DATABASE_URL", *database == new.database),
            ("MEOWW_DATABASE_CONNECTIONS", *database_connections == new.database_connections),
            ("MEOWW_DATA_DIR", *data_dir == new.data_dir),
            ("NODE_ENV", *secure_cookies == new.secure_cookies),
            ("JWT_ACCESS_SECRET", text(access_secret) == text(&new.access_secret)),
            ("ACCESS_TOKEN_EXPIRY", *access_lifetime == new.access_lifetime),
            ("REFRESH_TOKEN_EXPIRY", *refresh_lifetime == new.refresh_lifetime),
            ("TURN_SERVER_URL, TURN_SECRET", relay(turn) == relay(&new.turn)),
            ("MEOWW_STUN_URL", *stun_url == new.stun_url),
        ];
        compared.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
    }
}

fn text(secret: &Option<Secret>) -> Option<&str> {
    secret.as_ref().map(Secret::expose)
}

fn relay(turn: &Option<Turn>) -> Option<(&str, &str)> {
    turn.as_ref().map(|turn| (turn.url.as_str(), turn.secret.expose()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_restart_is_named_and_what_does_not_is_not() {
        let old = Config::new("/data".into());
        let mut new = old.clone();
        new.limits = super::super::Limits::OFF;
        new.frontend_origins = vec!["https://meoww.example".into()];
        new.smtp_url = Some(Secret::new("smtp://mail.example".into()));
        assert!(old.fixed_differences(&new).is_empty());
        new.listen.set_port(1);
        new.access_secret = Some(Secret::new("0123456789abcdef0123456789abcdef".into()));
        assert_eq!(old.fixed_differences(&new), ["MEOWW_LISTEN", "JWT_ACCESS_SECRET"]);
    }
}
