//! Canonical bytes: one spelling for one record (RFC 8785, the JSON Canonicalization Scheme).
//!
//! Narrower than the RFC where records need less: numbers are whole and within ±(2^53 − 1), so no
//! two implementations can print one number in two ways.

mod writer;

use serde::Serialize;

use writer::Writer;

/// A record has no canonical form.
#[derive(Debug, thiserror::Error)]
pub enum NotCanonical {
    /// A number that is not whole, or too large to be exact everywhere.
    #[error("the number {0} is not whole or not within 2^53: it has no single spelling")]
    Number(String),
    /// The value cannot be written as JSON at all.
    #[error("the record cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// The canonical bytes of `record`.
pub fn canonical_bytes<T: Serialize>(record: &T) -> Result<Vec<u8>, NotCanonical> {
    let mut writer = Writer::new();
    record.serialize(&mut writer)?;
    Ok(writer.finish())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Serialize, Serializer};
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

    // What is written at once must be what a tree of values would say.
    #[test]
    fn every_kind_of_value_is_written_as_its_tree_is() {
        #[derive(Serialize)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        enum Tagged {
            Unit,
            Struct { z: u8, a: Option<i64> },
        }
        #[derive(Serialize)]
        enum Plain {
            Unit,
            Newtype(bool),
            Tuple(u8, char),
            Struct { b: (), a: [u16; 2] },
        }
        #[derive(Serialize)]
        struct Whole<'a> {
            tagged: Vec<Tagged>,
            plain: Vec<Plain>,
            #[serde(flatten)]
            flat: BTreeMap<&'a str, &'a [u8]>,
            #[serde(skip_serializing_if = "Option::is_none")]
            absent: Option<u8>,
            none: Option<u8>,
        }
        let whole = Whole {
            tagged: vec![Tagged::Unit, Tagged::Struct { z: 1, a: Some(-2) }],
            plain: vec![
                Plain::Unit,
                Plain::Newtype(true),
                Plain::Tuple(7, '\u{e9}'),
                Plain::Struct { b: (), a: [1, 2] },
            ],
            flat: BTreeMap::from([("yy", &[1_u8, 2][..]), ("aa", &[])]),
            absent: None,
            none: None,
        };
        let tree = serde_json::to_value(&whole).unwrap();
        let bytes = String::from_utf8(canonical_bytes(&whole).unwrap()).unwrap();
        assert_eq!(bytes, printed(&tree));
        let expected = "{\"aa\":[],\"none\":null,\"plain\":[\"Unit\",{\"Newtype\":true},\
                        {\"Tuple\":[7,\"\u{e9}\"]},{\"Struct\":{\"a\":[1,2],\"b\":null}}],\
                        \"tagged\":[{\"kind\":\"unit\"},{\"a\":-2,\"kind\":\"struct\",\"z\":1}],\
                        \"yy\":[1,2]}";
        assert_eq!(bytes, expected);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&bytes).unwrap(), tree);
    }

    #[test]
    fn what_has_no_single_form_is_refused() {
        struct Pairs<'a>(&'a [(&'a str, u8)]);
        impl Serialize for Pairs<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().copied())
            }
        }
        assert!(canonical_bytes(&Pairs(&[("a", 1), ("a", 2)])).is_err(), "one name twice");
        assert!(canonical_bytes(&BTreeMap::from([(1, 2)])).is_err(), "a name that is no text");
        assert!(canonical_bytes(&f64::NAN).is_err());
        assert!(canonical_bytes(&(1_u64 << 53)).is_err());
        assert_eq!(canonical_bytes(&-((1_i64 << 53) - 1)).unwrap(), b"-9007199254740991");
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
