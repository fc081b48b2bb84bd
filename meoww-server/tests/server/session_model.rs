//! Sessions in the store against the rules they follow, in random order and virtual time.

use meoww_proto::UserId;
use meoww_server::{
    core::session::{SessionId, TokenDigest},
    store::{Refresh, Store},
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use time::{Duration, OffsetDateTime};

use crate::{
    engine,
    store::{START, account, confirm, create, session},
};

const LIFETIME: Duration = Duration::days(7);

#[derive(Debug, Clone)]
enum Step {
    LogIn {
        user: u8,
    },
    /// With a token issued so long ago, counted in tokens.
    Refresh {
        ago: usize,
    },
    LogOut {
        ago: usize,
    },
    End {
        user: u8,
        ago: usize,
    },
    EndOthers {
        ago: usize,
    },
    ChangePassword {
        user: u8,
    },
    Purge,
    Wait {
        hours: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..3u8).prop_map(|user| Step::LogIn { user }),
        4 => (0..6usize).prop_map(|ago| Step::Refresh { ago }),
        1 => (0..6usize).prop_map(|ago| Step::LogOut { ago }),
        1 => (1..3u8, 0..6usize).prop_map(|(user, ago)| Step::End { user, ago }),
        1 => (0..6usize).prop_map(|ago| Step::EndOthers { ago }),
        1 => (1..3u8).prop_map(|user| Step::ChangePassword { user }),
        1 => Just(Step::Purge),
        2 => (1..100i64).prop_map(|hours| Step::Wait { hours }),
    ]
}

/// What must be so.
struct Live {
    id: SessionId,
    user: UserId,
    token: usize,
    expires_at: OffsetDateTime,
}

struct World {
    store: Store,
    now: OffsetDateTime,
    live: Vec<Live>,
    /// Every token ever issued.
    issued: Vec<Issued>,
}

/// A token's session, and for how long the token itself is remembered.
struct Issued {
    id: SessionId,
    user: UserId,
}

fn user(n: u8) -> UserId {
    UserId::from_bytes([n; 12])
}

fn digest(token: usize) -> TokenDigest {
    TokenDigest::of(&token.to_string())
}

impl World {
    async fn new(store: Store) -> Self {
        for n in [1, 2] {
            let mut account = account(n, &format!("user{n}"), &format!("{n}@example.com"));
            account.password_hash = "0".into();
            create(&store, &account, START).await;
            assert!(confirm(&store, account.id, START).await);
            store.end_sessions_of(account.id, None).await.expect("stored");
        }
        Self { store, now: START, live: Vec::new(), issued: Vec::new() }
    }

    fn fresh(&mut self, user: UserId) -> meoww_server::store::NewSession {
        let token = self.issued.len();
        let expires_at = self.now + LIFETIME;
        let new = session(user, &token.to_string(), expires_at);
        self.issued.push(Issued { id: new.id, user });
        self.live.push(Live { id: new.id, user, token, expires_at });
        new
    }

    /// A token by how many came after it.
    fn token(&self, ago: usize) -> Option<usize> {
        self.issued.len().checked_sub(ago + 1)
    }

    fn position(&self, id: SessionId) -> Option<usize> {
        self.live.iter().position(|live| live.id == id)
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::LogIn { user: n } => {
                let new = self.fresh(user(n));
                self.store.open_session(new).await.expect("stored");
            }
            Step::Refresh { ago } => self.refresh(ago).await,
            Step::LogOut { ago } => {
                let Some(token) = self.token(ago) else { return };
                let Issued { id, user } = self.issued[token];
                let was_live = self.position(id).map(|at| self.live.remove(at)).is_some();
                let ended = self.store.end_session(id).await.expect("stored");
                assert_eq!(ended, was_live.then_some(user));
            }
            Step::End { user: n, ago } => {
                let Some(token) = self.token(ago) else { return };
                let Issued { id, user: owner } = self.issued[token];
                let at = self.position(id).filter(|_| owner == user(n));
                let was_theirs = at.map(|at| self.live.remove(at)).is_some();
                let ended = self.store.end_session_of(user(n), id).await.expect("stored");
                assert_eq!(ended, was_theirs);
            }
            Step::EndOthers { ago } => {
                let Some(token) = self.token(ago) else { return };
                let Issued { id, user } = self.issued[token];
                self.live.retain(|live| live.user != user || live.id == id);
                self.store.end_sessions_of(user, Some(id)).await.expect("stored");
            }
            Step::ChangePassword { user: n } => {
                let account = self.store.account(user(n)).await.expect("read").expect("there");
                self.live.retain(|live| live.user != user(n));
                let (fresh, hash) = (self.fresh(user(n)), self.issued.len().to_string());
                assert!(self.store.change_password(account, hash, fresh).await.expect("stored"));
            }
            Step::Purge => {
                self.live.retain(|live| self.now < live.expires_at);
                self.store.purge_expired(self.now).await.expect("purged");
            }
            Step::Wait { hours } => self.now += Duration::hours(hours),
        }
    }

    async fn refresh(&mut self, ago: usize) {
        let Some(token) = self.token(ago) else { return };
        let Issued { id, user } = self.issued[token];
        let (next, expires_at) = (self.issued.len(), self.now + LIFETIME);
        let tokens = (digest(token), digest(next));
        let refresh = self.store.rotate_refresh(id, tokens, self.now, expires_at);
        let refresh = refresh.await.expect("stored");
        let Some(at) = self.position(id) else {
            assert_eq!(refresh, Refresh::Unknown);
            return;
        };
        let live = &mut self.live[at];
        if live.token != token {
            assert_eq!(refresh, Refresh::Reused(id, user));
            self.live.remove(at);
        } else if self.now >= live.expires_at {
            assert_eq!(refresh, Refresh::Expired(id, user));
            self.live.remove(at);
        } else {
            assert_eq!(refresh, Refresh::Rotated(id, user));
            (live.token, live.expires_at) = (next, expires_at);
            self.issued.push(Issued { id, user });
        }
    }

    async fn check(&self) {
        for n in [1, 2] {
            let listed = self.store.sessions_of(user(n), self.now).await.expect("read");
            let mut listed: Vec<_> = listed.into_iter().map(|new| *new.id.as_bytes()).collect();
            let mine = |live: &&Live| live.user == user(n) && self.now < live.expires_at;
            let mut expected: Vec<_> =
                self.live.iter().filter(mine).map(|live| *live.id.as_bytes()).collect();
            listed.sort_unstable();
            expected.sort_unstable();
            assert_eq!(listed, expected, "user {n}");
        }
        for Issued { id, user } in &self.issued {
            let account = self.store.session_account(*id, self.now).await.expect("read");
            let live = self.position(*id).filter(|at| self.now < self.live[*at].expires_at);
            assert_eq!(account.map(|account| account.id), live.map(|_| *user));
        }
        let (counts, findings) = self.store.check().await.expect("read");
        assert_eq!(findings, []);
        let (_, tokens) = counts.iter().find(|(kind, _)| kind == "refresh-token").expect("a kind");
        assert!(*tokens <= 2 * self.live.len() as u64, "only what is of use is kept");
    }
}

/// Takes steps of their own choice on PostgreSQL: fewer, as each is several ways to the database.
#[tokio::test]
async fn sessions_live_and_end_by_their_rules_on_postgres() {
    let mut runner = TestRunner::new(ProptestConfig::default());
    for _ in 0..3 {
        let store = engine::connect(&engine::fresh_database().await).await;
        let mut world = World::new(store).await;
        let steps = prop::collection::vec(step(), 20..40).new_tree(&mut runner).expect("steps");
        for step in steps.current() {
            world.take(step).await;
            world.check().await;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn sessions_live_and_end_by_their_rules(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let dir = tempfile::tempdir().expect("a directory");
            let mut world = World::new(Store::open(dir.path()).expect("opened")).await;
            for step in steps {
                world.take(step).await;
                world.check().await;
            }
        });
    }
}
