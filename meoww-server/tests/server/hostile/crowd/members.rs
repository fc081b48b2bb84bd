//! Many members at once, put into the database before the server starts.

use std::path::Path;

use meoww_proto::UserId;
use meoww_server::{
    core::account::Account,
    store::{Creation, NewSession, Store},
};
use serde_json::json;
use time::OffsetDateTime;
use tokio::net::TcpStream;

use super::super::raw::authority;
use crate::{
    harness::Peer,
    jwt::signed,
    sockets::welcomed,
    store::{account, create, session},
};

const KEY: &str = "kD83jf02jfLq9vnA71bXz6mWp4RtYcQe";

pub(in super::super) struct Members {
    sessions: Vec<NewSession>,
}

impl Members {
    pub(in super::super) async fn create(data: &Path, count: usize) -> Self {
        let now = OffsetDateTime::now_utc();
        let path = data.join("db");
        let store = Store::open(&path).expect("opened");
        let sessions = (0..count).map(|n| {
            let id = user(n);
            session(id, &refresh_token(n), now + time::Duration::days(1))
        });
        let sessions: Vec<_> = sessions.collect();
        let created = sessions.iter().enumerate().map(async |(n, session)| {
            let name = format!("member{n}");
            let account =
                Account { id: user(n), ..account(1, &name, &format!("{name}@example.com")) };
            assert_eq!(create(&store, &account, now).await, Creation::Created);
            store.verify_account(account.id).await.expect("stored");
            store.open_session(session.clone()).await.expect("stored");
        });
        futures_util::future::join_all(created).await;
        drop(store);
        // The flushing thread lets go of the database a moment after its last client.
        while sled::Config::new().path(&path).open().is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        Self { sessions }
    }

    pub(in super::super) fn user(&self, n: usize) -> UserId {
        self.sessions[n].session.user
    }

    /// What makes their tokens good, and lets them all come from one address.
    pub(in super::super) fn environment(&self) -> [(&'static str, &'static str); 2] {
        [("JWT_ACCESS_SECRET", KEY), ("MEOWW_MAX_CONNECTIONS_PER_ADDRESS", "100000")]
    }

    pub(in super::super) fn access(&self, n: usize) -> String {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let claims = json!({
            "typ": "access", "iss": "meoww", "aud": "meoww", "sub": user(n),
            "sid": self.sessions[n].id, "iat": now, "exp": now + 3600,
        });
        signed("HS256", &claims, KEY)
    }

    /// A socket of one of them that was welcomed.
    pub(in super::super) async fn peer(&self, url: &str, n: usize) -> Peer {
        let stream = TcpStream::connect(authority(url)).await.expect("connected");
        let mut peer = Peer::over(url, stream, &self.access(n)).await;
        assert_eq!(welcomed(&mut peer).await, None);
        peer
    }
}

/// The refresh token the session of one of them begins with.
pub(in super::super) fn refresh_token(n: usize) -> String {
    format!("token-{n}")
}

fn user(n: usize) -> UserId {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&(n as u64).to_be_bytes());
    UserId::from_bytes(bytes)
}
