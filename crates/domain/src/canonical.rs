//! Canonical bytes: one spelling for one record (RFC 8785, the JSON Canonicalization Scheme).
//!
//! Narrower than the RFC where records need less: numbers are whole and within ±(2^53 − 1), so no
//! two implementations can print one number in two ways.

use serde::Serialize;
use serde_json::Value;

/// A record has no canonical form.
#[derive(Debug, thiserror::Error)]
pub enum NotCanonical {
    /// A number that is not whole, or too large to be exact everywhere.
    #[error("the number {0} is not whole or not within 2^53: it has no single spelling")]
    Number(serde_json::Number),
    /// The value cannot be written as JSON at all.
    #[error("the record cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// The canonical bytes of `record`.
pub fn canonical_bytes<T: Serialize>(record: &T) -> Result<Vec<u8>, NotCanonical> {
    let mut out = Vec::with_capacity(512);
    write_value(&serde_json::to_value(record)?, &mut out)?;
    Ok(out)
}

fn write_value(value: &Value, out: &mut Vec<u8>) -> Result<(), NotCanonical> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => write_number(number, out)?,
        // RFC 8785 §3.2.2.2: serde_json escapes exactly the characters the scheme names.
        Value::String(text) => serde_json::to_writer(out, text)?,
        Value::Array(items) => {
            out.push(b'[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write_value(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            // RFC 8785 §3.2.3: by UTF-16 code units.
            members.sort_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
            out.push(b'{');
            for (place, (name, member)) in members.into_iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, name)?;
                out.push(b':');
                write_value(member, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn write_number(number: &serde_json::Number, out: &mut Vec<u8>) -> Result<(), NotCanonical> {
    const EXACT: i64 = (1 << 53) - 1;
    match number.as_i64() {
        Some(whole) if (-EXACT..=EXACT).contains(&whole) => {
            out.extend_from_slice(whole.to_string().as_bytes());
            Ok(())
        }
        _ => Err(NotCanonical::Number(number.clone())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::canonical_bytes;

    fn printed(value: &serde_json::Value) -> String {
        String::from_utf8(canonical_bytes(value).unwrap()).unwrap()
    }

    // threat 140
    #[test]
    fn key_order_makes_no_difference_and_numbers_have_one_form() {
        let one: serde_json::Value =
            serde_json::from_str(r#"{"b":1,"a":{"d":[],"c":null}}"#).unwrap();
        let two: serde_json::Value =
            serde_json::from_str("{ \"a\": {\"c\":null, \"d\" : []}, \"b\":1 }").unwrap();
        assert_eq!(printed(&one), r#"{"a":{"c":null,"d":[]},"b":1}"#);
        assert_eq!(printed(&one), printed(&two));
        assert!(canonical_bytes(&json!(1.5)).is_err());
        assert!(canonical_bytes(&json!(u64::MAX)).is_err());
    }

    #[test]
    fn keys_sort_by_utf_16_as_the_rfc_shows() {
        let value =
            json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6});
        let order =
            "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}";
        assert_eq!(printed(&value), order);
    }

    // threat 140: what reads alike and is spelt otherwise is another record, never the same one: a
    // text is hashed in the bytes it was given in.
    #[test]
    fn no_text_is_normalised() {
        let [composed, decomposed] = ["\u{e9}", "e\u{301}"].map(|text| printed(&json!(text)));
        assert_eq!(composed, "\"\u{e9}\"");
        assert_ne!(composed, decomposed);
        let escaped: serde_json::Value = serde_json::from_str(r#""\u00e9\u0041\/""#).unwrap();
        assert_eq!(printed(&escaped), "\"\u{e9}A/\"", "an escape has one form");
        assert!(serde_json::from_str::<serde_json::Value>(r#""\ud800""#).is_err());
    }

    // threat 139: a line break or an escape in a record cannot end or colour a line.
    #[test]
    fn control_characters_are_always_escaped() {
        assert_eq!(printed(&json!("a\r\n\u{1b}[31m")), r#""a\r\n\u001b[31m""#);
    }
}
