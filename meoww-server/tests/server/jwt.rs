//! Tokens of our own making: JWTs signed without the server's code.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::{Value, json};

/// Signs `claims` with `algorithm` (HS256, HS384 or HS512, RFC 7518, 3.2).
pub(crate) fn signed(algorithm: &str, claims: &Value, key: &str) -> String {
    let hash = match algorithm {
        "HS256" => hmac::HMAC_SHA256,
        "HS384" => hmac::HMAC_SHA384,
        "HS512" => hmac::HMAC_SHA512,
        other => panic!("{other} is no HMAC"),
    };
    let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let message =
        format!("{}.{}", encode(&json!({"typ": "JWT", "alg": algorithm})), encode(claims));
    let signature = hmac::sign(&hmac::Key::new(hash, key.as_bytes()), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}
