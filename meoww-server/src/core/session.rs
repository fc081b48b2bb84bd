//! Sessions: what a login opens and a logout ends. A session has one refresh token that is good;
//! each use replaces it, and the second use of an older one ends the session (RFC 9700, 4.14.2).

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use meoww_proto::UserId;
use rand::{CryptoRng, RngExt};
use ring::{
    digest::{SHA256, digest},
    hmac,
};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// One session; it goes into every access token made for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(Uuid);

impl SessionId {
    /// Draws one.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(uuid::Builder::from_random_bytes(rng.random()).into_uuid())
    }

    /// From its sixteen bytes, as stored.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Uuid::from_slice(bytes).ok().map(Self)
    }

    /// Its sixteen bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SessionId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

/// Bytes of a refresh token's secret, its session's id, and what shows that both belong together.
const SECRET: usize = 32;
const ID: usize = 16;
const MARK: usize = 16;

/// 256 bits that nobody else knows, the id of its session, and the server's mark on both, in URL-safe
/// base64. Only its [`TokenDigest`] is kept, and that of a spent one need not be: the mark shows which
/// session it was of.
pub struct RefreshToken(String);

impl RefreshToken {
    /// Draws one for a session.
    pub fn issue(session: SessionId, key: &[u8; 32], rng: &mut impl CryptoRng) -> Self {
        Self::marked(&rng.random::<[u8; SECRET]>(), session, key)
    }

    /// Draws one without a mark, as earlier versions did.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(URL_SAFE_NO_PAD.encode(rng.random::<[u8; SECRET]>()))
    }

    /// Returns the successor of `presented`: HMAC-SHA256 (RFC 2104) under the server's key, so that
    /// repeated requests get the same token and only the server can compute it.
    pub fn successor(presented: &str, session: SessionId, key: &[u8; 32]) -> Self {
        let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
        mac.update(b"refresh token after ");
        mac.update(presented.as_bytes());
        Self::marked(mac.sign().as_ref(), session, key)
    }

    /// Returns the session that a token is or was of, if this server made and marked it.
    pub fn session(presented: &str, key: &[u8; 32]) -> Option<SessionId> {
        let mut bytes = [0; SECRET + ID + MARK];
        let length = URL_SAFE_NO_PAD.decode_slice(presented, &mut bytes).ok()?;
        let (signed, found) = bytes.split_at(SECRET + ID);
        let is_ours = length == bytes.len() && bool::from(mark(signed, key).ct_eq(found));
        SessionId::from_slice(&signed[SECRET..]).filter(|_| is_ours)
    }

    fn marked(secret: &[u8], session: SessionId, key: &[u8; 32]) -> Self {
        let signed = [secret, session.as_bytes()].concat();
        let mark = mark(&signed, key);
        Self(URL_SAFE_NO_PAD.encode([&signed[..], &mark].concat()))
    }

    /// For the cookie that carries it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::of(&self.0)
    }
}

/// The first half of HMAC-SHA256 (RFC 2104, 5) over a secret and the id of its session.
fn mark(signed: &[u8], key: &[u8; 32]) -> [u8; MARK] {
    let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    mac.update(b"refresh token of session ");
    mac.update(signed);
    *mac.sign().as_ref().first_chunk().expect("SHA-256 has 32 bytes")
}

/// SHA-256 of a refresh token. The token has 256 bits of its own, so neither salt nor key is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// Of what a client presented, whatever it is.
    pub fn of(token: &str) -> Self {
        let digest = digest(&SHA256, token.as_bytes());
        Self(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }

    /// Its 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Longest name a client may give itself, in Unicode scalar values.
const MAX_CLIENT_CHARS: usize = 128;

/// What a client calls itself, so that its user can tell sessions apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientName(String);

impl ClientName {
    /// What is kept of a `User-Agent`: no control characters, and not too much.
    pub fn sanitised(text: &str) -> Self {
        let kept = text.trim().chars().filter(|c| !c.is_control());
        Self(kept.take(MAX_CLIENT_CHARS).collect())
    }

    /// As kept.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How long after a rotation the replaced token still yields its successor. Beyond it, somebody has a
/// copy (RFC 9700, 4.14.2).
const REPEAT_WITHIN: Duration = Duration::seconds(30);

/// One login, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Whose it is.
    pub user: UserId,
    /// The refresh token that is good now.
    pub current: TokenDigest,
    /// The one that it replaced, at `refreshed_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<TokenDigest>,
    /// When the session ends unless it is refreshed.
    #[serde(with = "time::serde::timestamp::milliseconds")]
    pub expires_at: OffsetDateTime,
    /// When it was opened; the epoch where nobody wrote it down.
    #[serde(default = "unknown", with = "time::serde::timestamp::milliseconds")]
    pub created_at: OffsetDateTime,
    /// When its refresh token was last replaced; the epoch where nobody wrote it down.
    #[serde(default = "unknown", with = "time::serde::timestamp::milliseconds")]
    pub refreshed_at: OffsetDateTime,
    /// What opened it.
    #[serde(default)]
    pub client: ClientName,
}

fn unknown() -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH
}

/// What presenting a refresh token of a session came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It was the good one; this is the session from now on.
    Rotated(Session),
    /// It was the good one a moment ago: two windows refreshed at once, or an answer was lost. It has
    /// the successor it had then.
    Repeated,
    /// It was good once. Somebody has a copy: the session ends.
    Reused,
    /// It came too late: the session ends.
    Expired,
}

impl Session {
    /// Opened at `now` by `client`, with its first refresh token.
    pub fn open(
        user: UserId,
        current: TokenDigest,
        client: ClientName,
        now: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Self {
        Self {
            user,
            current,
            previous: None,
            expires_at,
            created_at: now,
            refreshed_at: now,
            client,
        }
    }

    /// Whether it was not refreshed in time.
    pub fn is_over(&self, now: OffsetDateTime) -> bool {
        now >= self.expires_at
    }

    /// Replaces the refresh token `presented` by its successor `next`, good until `expires_at`.
    pub fn rotate(
        &self,
        presented: TokenDigest,
        next: TokenDigest,
        now: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Rotation {
        let is_repeated = self.previous == Some(presented)
            && self.current == next
            && now < self.refreshed_at + REPEAT_WITHIN;
        if presented != self.current && !is_repeated {
            Rotation::Reused
        } else if self.is_over(now) {
            Rotation::Expired
        } else if is_repeated {
            Rotation::Repeated
        } else {
            let (current, previous) = (next, Some(presented));
            Rotation::Rotated(Self {
                current,
                previous,
                expires_at,
                refreshed_at: now,
                ..self.clone()
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
    const WEEK: Duration = Duration::days(7);

    fn session() -> Session {
        let user = UserId::from_bytes([1; 12]);
        Session::open(user, digest(0), ClientName::default(), START, START + WEEK)
    }

    fn digest(n: u8) -> TokenDigest {
        TokenDigest::of(&n.to_string())
    }

    proptest! {
        /// Whoever presents an older token, however many rotations later, ends the session.
        #[test]
        fn only_the_newest_token_is_good(rotations in 0u8..20, presented in 0u8..25) {
            let mut session = session();
            for n in 0..rotations {
                let Rotation::Rotated(next) =
                    session.rotate(digest(n), digest(n + 1), START, START + WEEK)
                else {
                    panic!("the newest token is good")
                };
                session = next;
            }
            let outcome = session.rotate(digest(presented), digest(99), START, START + WEEK);
            prop_assert_eq!(matches!(outcome, Rotation::Rotated(_)), presented == rotations);
            prop_assert_eq!(outcome == Rotation::Reused, presented != rotations);
        }
    }

    #[test]
    fn for_half_a_minute_a_replaced_token_has_the_successor_it_had() {
        let tokens = ["first", "second", "third"].map(TokenDigest::of);
        let [first, second, third] = tokens;
        let opened = Session { current: first, ..session() };
        let rotate = |session: &Session, presented, next, at: OffsetDateTime| {
            session.rotate(presented, next, at, at + WEEK)
        };
        let Rotation::Rotated(session) = rotate(&opened, first, second, START) else {
            panic!("the newest token is good")
        };
        let soon = START + Duration::seconds(29);
        assert_eq!(rotate(&session, first, second, soon), Rotation::Repeated);
        assert_eq!(rotate(&session, first, third, soon), Rotation::Reused, "no other successor");
        let late = START + Duration::seconds(30);
        assert_eq!(rotate(&session, first, second, late), Rotation::Reused);
        let Rotation::Rotated(session) = rotate(&session, second, third, soon) else {
            panic!("the newest token is good")
        };
        assert_eq!(rotate(&session, first, second, soon), Rotation::Reused, "two generations old");
    }

    #[test]
    fn a_token_shows_the_session_it_was_made_for() {
        let (key, id) = ([7; 32], SessionId(Uuid::from_bytes([1; 16])));
        let first = RefreshToken::issue(id, &key, &mut rand::rng());
        let second = RefreshToken::successor(first.as_str(), id, &key);
        for token in [&first, &second] {
            assert_eq!(RefreshToken::session(token.as_str(), &key), Some(id));
            assert_eq!(RefreshToken::session(token.as_str(), &[8; 32]), None);
            for at in 0..token.0.len() {
                let other = if token.0.as_bytes()[at] == b'A' { "B" } else { "A" };
                let mut forged = token.0.clone();
                forged.replace_range(at..=at, other);
                assert_eq!(RefreshToken::session(&forged, &key), None, "{at}");
            }
        }
        let unmarked = RefreshToken::generate(&mut rand::rng());
        assert_eq!(RefreshToken::session(unmarked.as_str(), &key), None);
    }

    /// Expected value from Python's `hmac` and `base64` modules.
    #[test]
    fn a_token_has_one_successor() {
        let id = SessionId(Uuid::from_bytes([1; 16]));
        let successor = RefreshToken::successor("abc", id, &[7; 32]);
        let expected = "HZ4-vCuhUjKeJ332lusmtXvdOUo1SSh33CWufj6GTNY\
             BAQEBAQEBAQEBAQEBAQEBqs3LVcnFq3PJB3a-n-WaPg";
        assert_eq!(successor.as_str(), expected);
        assert_ne!(RefreshToken::successor("abd", id, &[7; 32]).as_str(), successor.as_str());
        assert_ne!(RefreshToken::successor("abc", id, &[8; 32]).as_str(), successor.as_str());
    }

    #[test]
    fn a_session_that_was_not_refreshed_in_time_is_over() {
        let late = session().rotate(digest(0), digest(1), START + WEEK, START + WEEK * 2);
        assert_eq!(late, Rotation::Expired);
    }

    #[test]
    fn a_refresh_keeps_when_and_by_what_a_session_was_opened() {
        let later = START + Duration::days(1);
        let opened = Session { client: ClientName::sanitised("meoww/1"), ..session() };
        let Rotation::Rotated(next) = opened.rotate(digest(0), digest(1), later, later + WEEK)
        else {
            panic!("the newest token is good")
        };
        assert_eq!((next.created_at, next.refreshed_at), (START, later));
        assert_eq!((next.client.as_str(), next.expires_at), ("meoww/1", later + WEEK));
    }

    #[test]
    fn a_client_cannot_call_itself_just_anything() {
        assert_eq!(ClientName::sanitised(" a\u{1b}[31m\r\nb ").as_str(), "a[31mb");
        assert_eq!(ClientName::sanitised(&"\u{1F600}".repeat(500)).as_str().chars().count(), 128);
    }

    #[test]
    fn a_record_of_before_is_read() {
        let mut old = serde_json::to_value(session()).expect("JSON");
        let fields = old.as_object_mut().expect("an object");
        for field in ["created_at", "refreshed_at", "client"] {
            fields.remove(field).expect("it is written");
        }
        let read: Session = serde_json::from_value(old).expect("readable");
        assert_eq!((read.created_at, read.client), (START, ClientName::default()));
    }
}
