//! Values of MongoDB Extended JSON, in all spellings of versions 1 and 2 (canonical and relaxed), and
//! plain ones where Mongoose would cast them.

use meoww_proto::UserId;
use serde_json::Value;
use time::{
    OffsetDateTime, PrimitiveDateTime, UtcOffset, format_description::BorrowedFormatItem,
    macros::format_description, parsing::Parsed,
};

/// Milliseconds either way that a date of JavaScript can be from 1970.
const MAX_MILLIS: i64 = 8_640_000_000_000_000;

/// ISO 8601 as MongoDB's tools of all times write it, and less exact.
const DATE: &[BorrowedFormatItem<'_>] = format_description!(
    version = 2,
    "[year]-[month]-[day][first [T][t][ ]][hour]:[minute][optional [:[second][optional [.[subsecond]]]]]\
     [optional [[first [Z][z][[offset_hour sign:mandatory]:[offset_minute]]\
     [[offset_hour sign:mandatory][offset_minute]][[offset_hour sign:mandatory]]]]]"
);

/// Whether the document says nothing there.
pub(super) fn is_absent(value: &Value) -> bool {
    value.is_null() || value.get("$undefined").is_some()
}

/// `{"$oid": "65f0..."}`, or its digits alone.
pub(super) fn object_id(value: &Value) -> Option<UserId> {
    value.get("$oid").unwrap_or(value).as_str()?.parse().ok()
}

/// As Mongoose casts what is no boolean.
pub(super) fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) => match text.as_str() {
            "true" | "1" | "yes" => Some(true),
            "false" | "0" | "no" => Some(false),
            _ => None,
        },
        other => match integer(other)? {
            1 => Some(true),
            0 => Some(false),
            _ => None,
        },
    }
}

/// `{"$date": ...}` of a text, of milliseconds, or of a `$numberLong` of them; also without it.
pub(super) fn date(value: &Value) -> Option<OffsetDateTime> {
    match value.get("$date").unwrap_or(value) {
        Value::String(text) => date_of_text(text),
        other => {
            let millis = integer(other)?;
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok()
        }
    }
}

/// Kept in UTC, where it may be of a year that cannot be read again: such a date is none.
fn date_of_text(text: &str) -> Option<OffsetDateTime> {
    let mut parsed = Parsed::new();
    let rest = parsed.parse_items(text.trim().as_bytes(), DATE).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let parsed = parsed.second().map_or_else(|| parsed.with_second(0), |_| Some(parsed))?;
    let local = PrimitiveDateTime::try_from(parsed).ok()?;
    let offset = UtcOffset::try_from(parsed).unwrap_or(UtcOffset::UTC);
    local.assume_offset(offset).checked_to_offset(UtcOffset::UTC)
}

/// A number, or one in a text under `$numberInt`, `$numberLong`, `$numberDouble`, `$numberDecimal`.
fn integer(value: &Value) -> Option<i64> {
    const NAMES: [&str; 4] = ["$numberLong", "$numberInt", "$numberDouble", "$numberDecimal"];
    let value = NAMES.iter().find_map(|name| value.get(name)).unwrap_or(value);
    let number = match value {
        Value::Number(number) => {
            number.as_i64().map_or_else(|| number.as_f64(), |n| Some(n as f64))
        }
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }?;
    (number.abs() <= MAX_MILLIS as f64).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_date_is_read_in_every_spelling() {
        let noon = datetime!(2024-03-12 20:00 UTC);
        let spellings = [
            json!({ "$date": "2024-03-12T20:00:00.000Z" }),
            json!({ "$date": "2024-03-12T20:00:00Z" }),
            json!({ "$date": "2024-03-12T20:00Z" }),
            json!({ "$date": "2024-03-12T20:00" }),
            json!({ "$date": "2024-03-12 20:00:00" }),
            json!({ "$date": "2024-03-12T20:00:00.000+0000" }),
            json!({ "$date": "2024-03-12T15:00:00.000-0500" }),
            json!({ "$date": "2024-03-12T22:30:00+02:30" }),
            json!({ "$date": "2024-03-12T22:00+02" }),
            json!({ "$date": 1_710_273_600_000_i64 }),
            json!({ "$date": 1_710_273_600_000.0 }),
            json!({ "$date": { "$numberLong": "1710273600000" } }),
            json!({ "$date": { "$numberLong": 1_710_273_600_000_i64 } }),
            json!({ "$date": { "$numberDouble": "1.7102736E+12" } }),
            json!("2024-03-12T20:00:00.000Z"),
            json!(1_710_273_600_000_i64),
        ];
        for spelling in spellings {
            assert_eq!(date(&spelling), Some(noon), "{spelling}");
        }
        let before = json!({ "$date": { "$numberLong": "-1500" } });
        assert_eq!(date(&before), Some(datetime!(1969-12-31 23:59:58.5 UTC)));
    }

    #[test]
    fn a_date_is_taken_only_if_it_can_be_read_again() {
        let read = |text: &str| date(&json!({ "$date": text }));
        assert!(read("9999-12-31T23:59:59Z").is_some());
        assert_eq!(read("9999-12-31T23:59:59-01:00"), None, "the year 10000");
        for text in
            ["", "yesterday", "2024-02-30T10:00:00Z", "2024-03-12T25:00Z", "2024-03-12T20:00Zz"]
        {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(date(&json!({ "$date": { "$numberLong": "99999999999999999" } })), None);
    }

    #[test]
    fn ids_and_booleans_are_read_in_every_spelling() {
        let id: UserId = "65f0c0ffee00000000000001".parse().expect("an id");
        assert_eq!(object_id(&json!({ "$oid": "65F0C0FFEE00000000000001" })), Some(id));
        assert_eq!(object_id(&json!("65f0c0ffee00000000000001")), Some(id));
        assert_eq!(object_id(&json!({ "$oid": 5 })), None);
        for yes in [json!(true), json!(1), json!("yes"), json!({ "$numberInt": "1" })] {
            assert_eq!(boolean(&yes), Some(true), "{yes}");
        }
        assert_eq!(boolean(&json!({ "$numberLong": "0" })), Some(false));
        assert_eq!(boolean(&json!("perhaps")), None);
        assert!(is_absent(&json!(null)) && is_absent(&json!({ "$undefined": true })));
    }
}
