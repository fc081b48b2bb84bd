//! Streams in every layout, whole and broken.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn read(input: &[u8]) -> Vec<(u64, Result<Value, String>)> {
    Documents::new(input).collect()
}

/// The lines of what was read, negative where it was broken.
fn lines(text: &str) -> Vec<i64> {
    let line = |(line, found): Found| if found.is_ok() { line as i64 } else { -(line as i64) };
    read(text.as_bytes()).into_iter().map(line).collect()
}

#[test]
fn a_broken_object_costs_no_other() {
    assert_eq!(lines("{\"a\": \"cut\n{\"b\": 2}\n{\"c\": 3}\n"), [-1, 2, 3]);
    assert_eq!(lines("{\"a\": 1, \"b\":\n{\"b\": 2}\n{\"c\": 3}\n"), [-1, 2, 3]);
    assert_eq!(lines("{\"a\": {\n{\"b\": {\n{\"c\": 3}\n"), [-1, -2, 3]);
    assert_eq!(lines("{\"a\": 1}}\n{\"b\": 2}"), [1, -1, 2]);
    assert_eq!(lines("[{\"a\": 1}, null, 7, {\"b\" 2}, {\"c\": 3}]"), [1, -1, -1, -1, 1]);
    assert_eq!(lines("_id,name,email\n1,2,3\n"), [-1, -2]);
    assert_eq!(lines("[{\"a\": 1},\n{\"b\": "), [1, -2, -2]);
    assert_eq!(lines("[{\"a\": 1}"), [1, -1]);
}

#[test]
fn what_is_no_json_in_utf8_is_named() {
    let utf16 = |mark: &[u8], order: fn(u16) -> [u8; 2]| {
        mark.iter().copied().chain("{\"a\": 1}\n".encode_utf16().flat_map(order)).collect()
    };
    let cases: [(Vec<u8>, &str); 6] = [
        (utf16(b"\xff\xfe", u16::to_le_bytes), "UTF-16"),
        (utf16(b"\xfe\xff", u16::to_be_bytes), "UTF-16"),
        (utf16(b"", u16::to_le_bytes), "UTF-16"),
        (utf16(b"", u16::to_be_bytes), "UTF-16"),
        (b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "gunzip"),
        (b"\x16\0\0\0\x07_id\0".to_vec(), "bsondump"),
    ];
    for (input, word) in cases {
        let found = read(&input);
        assert!(matches!(&found[..], [(1, Err(reason))] if reason.contains(word)), "{found:?}");
    }
}

#[test]
fn an_endless_object_is_given_up_on() {
    let input = io::Read::chain(&b"{\"a\": \""[..], io::repeat(b'x'));
    let found = Documents::new(io::BufReader::new(input)).next();
    assert!(matches!(found, Some((1, Err(reason))) if reason.contains("1 MiB")));
    let many = "{\n".repeat(3000);
    assert_eq!(read(many.as_bytes()).len(), MAX_BROKEN);
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,9}".prop_map(Value::from),
        r#"[\]\[{}",:\\n]{0,6}"#.prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(".{0,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Told apart as serde_json itself tells them apart.
    #[test]
    fn objects_are_the_same_in_every_layout(
        values in prop::collection::vec(
            prop::collection::hash_map(".{0,4}", value(), 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
            0..5,
        ),
    ) {
        let each = |write: fn(&Value) -> String, between: &str| {
            values.iter().map(write).collect::<Vec<_>>().join(between)
        };
        let pretty = |value: &Value| serde_json::to_string_pretty(value).expect("JSON");
        let layouts = [
            each(Value::to_string, "\n"),
            each(Value::to_string, "\r\n\r\n"),
            each(Value::to_string, ""),
            each(pretty, "\n"),
            each(pretty, "\n").lines().map(str::trim_start).collect::<Vec<_>>().join("\n"),
            json!(values).to_string(),
            serde_json::to_string_pretty(&values).expect("JSON"),
            format!("[{}]\n[]\u{feff}[]", each(Value::to_string, ",\n")),
        ];
        for layout in layouts {
            for mark in ["", "\u{feff}"] {
                let found = read(format!("{mark}{layout}").as_bytes());
                let found: Result<Vec<_>, _> = found.into_iter().map(|(_, found)| found).collect();
                prop_assert_eq!(found.as_ref(), Ok(&values), "{}", layout);
            }
        }
    }
}
