//! The one text of a JSON value that is signed in this dialect: keys in the order of their bytes, no white space, whole
//! numbers, and in strings nothing escaped but `"` and `\`. It is often not JSON any more (a line break stands as
//! itself), so it is only ever signed or hashed, never stored. Deliberately not RFC 8785, which escapes control
//! characters and orders by UTF-16.
//!
//! Go's clients read numbers as floating point before they write this text. Beyond 2^53 they would check another one, so such
//! numbers have none here.

use serde_json::{Map, Value};

/// Writes a value. The only thing that has no such text is a number with a fraction or an exponent, or beyond 2^53.
pub(crate) fn encode(value: &Value) -> Result<Vec<u8>, NotWhole> {
    let mut text = String::new();
    write_value(value, &mut text)?;
    Ok(text.into_bytes())
}

fn write_value(value: &Value, text: &mut String) -> Result<(), NotWhole> {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => match number.as_i64() {
            Some(whole) if whole.unsigned_abs() <= WHOLE_MAX => text.push_str(&whole.to_string()),
            _ => return Err(NotWhole),
        },
        Value::String(string) => write_string(string, text),
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                separate(at, text);
                write_value(item, text)?;
            }
            text.push(']');
        }
        Value::Object(members) => write_object(members, text)?,
    }
    Ok(())
}

fn write_object(members: &Map<String, Value>, text: &mut String) -> Result<(), NotWhole> {
    let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
    sorted.sort_by_key(|(key, _)| key.as_bytes());
    text.push('{');
    for (at, (key, value)) in sorted.into_iter().enumerate() {
        separate(at, text);
        write_string(key, text);
        text.push(':');
        write_value(value, text)?;
    }
    text.push('}');
    Ok(())
}

fn separate(at: usize, text: &mut String) {
    if at > 0 {
        text.push(',');
    }
}

/// Appends a string with its quotes.
pub(crate) fn write_string(string: &str, text: &mut String) {
    text.push('"');
    for c in string.chars() {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
}

/// The largest number that Go's clients read as it is.
pub(crate) const WHOLE_MAX: u64 = 1 << 53;

/// The value holds a number with a fraction or an exponent, or a larger one than [`WHOLE_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("numbers in signed metadata must be whole and at most 2^53")]
pub(crate) struct NotWhole;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expect: &str) {
        let value: Value = serde_json::from_str(json).unwrap();
        assert_eq!(encode(&value).unwrap(), expect.as_bytes(), "{json}");
    }

    #[test]
    fn orders_keys_by_bytes_and_drops_white_space() {
        check(
            r#" { "b" : [ 1 , { } ] , "a" : null , "B" : true , "" : false } "#,
            r#"{"":false,"B":true,"a":null,"b":[1,{}]}"#,
        );
        // U+FB00 comes after U+1D11E in UTF-16 and before it in UTF-8.
        check(
            "{\"\u{1d11e}\":1,\"\u{fb00}\":2}",
            "{\"\u{fb00}\":2,\"\u{1d11e}\":1}",
        );
    }

    #[test]
    fn escapes_quotes_and_backslashes_only() {
        check(r#""a\"\\\/\u00e9<&>""#, r#""a\"\\/é<&>""#);
        check(r#""line\nbreak\u0000\u007f""#, "\"line\nbreak\0\u{7f}\"");
    }

    #[test]
    fn takes_whole_numbers_only() {
        check("[0,-1,9007199254740992]", "[0,-1,9007199254740992]");
        for json in [
            "1.0",
            "1e2",
            "-0.5",
            "[{\"a\":1.5}]",
            "9007199254740993",
            "-9007199254740993",
            "18446744073709551615",
        ] {
            let value: Value = serde_json::from_str(json).unwrap();
            assert_eq!(encode(&value), Err(NotWhole), "{json}");
        }
    }

    proptest::proptest! {
        #[test]
        fn is_json_that_reads_back_where_nothing_needs_an_escape(
            keys in proptest::collection::btree_map("[a-z\"\\\\é]{0,8}", 0_i64..1 << 53, 0..8)
        ) {
            let value = serde_json::to_value(&keys).unwrap();
            let text = encode(&value).unwrap();
            proptest::prop_assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), value);
        }
    }
}
