//! Access tokens: JWTs (RFC 7519), signed with HS256 and nothing else (RFC 8725, 3.1).

mod hmac;

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use meoww_proto::UserId;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::core::session::SessionId;

const ISSUER: &str = "meoww";
const AUDIENCE: &str = "meoww";
/// Tells these tokens from any other kind under the same key (RFC 8725, 3.11).
const TYPE: &str = "access";

/// Issues and checks access tokens.
pub(crate) struct AccessTokens {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
    lifetime: Duration,
}

/// Whom a token speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) user: UserId,
    pub(crate) session: SessionId,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    typ: String,
    iss: String,
    aud: String,
    sub: UserId,
    sid: SessionId,
    iat: i64,
    exp: i64,
}

impl AccessTokens {
    pub(crate) fn new(key: &[u8], lifetime: Duration) -> Self {
        hmac::install();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        Self {
            signing: EncodingKey::from_secret(key),
            checking: DecodingKey::from_secret(key),
            validation,
            lifetime,
        }
    }

    pub(crate) fn issue(&self, bearer: Bearer, now: OffsetDateTime) -> String {
        self.issue_for(bearer, now, self.lifetime)
    }

    /// Like [`AccessTokens::issue`], good for as long as an operator says.
    pub(crate) fn issue_for(
        &self,
        bearer: Bearer,
        now: OffsetDateTime,
        lifetime: Duration,
    ) -> String {
        let claims = Claims {
            typ: TYPE.into(),
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: bearer.user,
            sid: bearer.session,
            iat: now.unix_timestamp(),
            exp: (now + lifetime).unix_timestamp(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
            .expect("plain claims under a symmetric key always sign")
    }

    /// `None` for whatever is not a live token of ours; which of the ways it fails is nobody's
    /// business. Whether its session still exists is for the caller to ask.
    pub(crate) fn check(&self, token: &str) -> Option<Bearer> {
        let data = jsonwebtoken::decode::<Claims>(token, &self.checking, &self.validation).ok()?;
        let Claims { typ, sub, sid, .. } = data.claims;
        (typ == TYPE).then_some(Bearer { user: sub, session: sid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use ring::hmac::{HMAC_SHA256, HMAC_SHA512, Key};
    use serde_json::{Value, json};

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn bearer() -> Bearer {
        let session = SessionId::generate(&mut rand::rng());
        Bearer { user: UserId::from_bytes([1; 12]), session }
    }

    fn tokens() -> AccessTokens {
        AccessTokens::new(KEY, Duration::from_secs(60))
    }

    /// Signs a token without the code under test.
    fn signed(algorithm: &str, claims: &Value, key: &[u8]) -> String {
        let hash = if algorithm == "HS512" { HMAC_SHA512 } else { HMAC_SHA256 };
        let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let message = format!("{}.{}", encode(&json!({"alg": algorithm})), encode(claims));
        let signature = ring::hmac::sign(&Key::new(hash, key), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    #[test]
    fn a_token_of_ours_is_good_until_it_expires() {
        let (tokens, bearer) = (tokens(), bearer());
        let now = crate::clock::now();
        assert_eq!(tokens.check(&tokens.issue(bearer, now)), Some(bearer));
        assert_eq!(tokens.check(&tokens.issue(bearer, now - Duration::from_secs(61))), None);
    }

    #[test]
    fn forged_tokens_are_refused() {
        let (tokens, bearer) = (tokens(), bearer());
        let now = crate::clock::now();
        let good = tokens.issue(bearer, now);
        let parts: Vec<_> = good.split('.').collect();
        let payload = URL_SAFE_NO_PAD.decode(parts[1]).expect("base64");
        let claims: Value = serde_json::from_slice(&payload).expect("JSON");
        assert!(tokens.check(&signed("HS256", &claims, KEY)).is_some(), "the forger's tools work");

        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        let mut forged = vec![
            format!("{none}.{}.", parts[1]),
            format!("{none}.{}.{}", parts[1], parts[2]),
            format!("{}.{}.", parts[0], parts[1]),
            signed("HS256", &claims, b"another key of thirty-two bytes!"),
            signed("HS512", &claims, KEY),
            String::new(),
            "a.b.c".into(),
        ];
        for (claim, value) in [
            ("typ", json!("refresh")),
            ("iss", json!("elsewhere")),
            ("aud", json!("elsewhere")),
            ("sub", json!("nobody")),
            ("exp", Value::Null),
        ] {
            let mut claims = claims.clone();
            claims[claim] = value;
            forged.push(signed("HS256", &claims, KEY));
        }
        for token in forged {
            assert_eq!(tokens.check(&token), None, "{token}");
        }
    }
}
