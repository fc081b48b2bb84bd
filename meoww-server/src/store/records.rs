//! How a domain value lies on disk: JSON with a version, so that a later program can tell what it
//! reads.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::StoreError;

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Record<T> {
    v: u8,
    value: T,
}

pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(&Record { v: VERSION, value }).expect("plain data always serialises")
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    let record: Record<T> = serde_json::from_slice(bytes)
        .map_err(|error| StoreError::Unreadable(format!("{:?}", error.classify())))?;
    if record.v != VERSION {
        return Err(StoreError::Unreadable(format!("version {}", record.v)));
    }
    Ok(record.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::session::{ClientName, Session, TokenDigest};
    use meoww_proto::UserId;
    use time::OffsetDateTime;

    #[test]
    fn a_record_of_another_version_is_refused() {
        let (user, now) = (UserId::from_bytes([1; 12]), OffsetDateTime::UNIX_EPOCH);
        let token = TokenDigest::of("token");
        let session = Session::open(user, token, ClientName::default(), now, now);
        let bytes = encode(&session);
        assert_eq!(decode::<Session>(&bytes).expect("readable"), session);
        let text = String::from_utf8(bytes).expect("JSON").replace("\"v\":1", "\"v\":2");
        assert!(matches!(decode::<Session>(text.as_bytes()), Err(StoreError::Unreadable(_))));
        assert!(matches!(decode::<Session>(b"{}"), Err(StoreError::Unreadable(_))));
    }
}
