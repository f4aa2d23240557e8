//! The JSON of LFS: nothing that another reader could take for something else, and no credential
//! left in an answer.

use marque_wire::git::ObjectFormat;
use marque_wire::git::lfs::{Batch, OBJECTS_MAX, Operation, strip_answer};
use serde_json::Value;

pub(super) fn check(data: &[u8]) {
    if let Ok(batch) = Batch::parse(data) {
        assert!(batch.objects.len() <= OBJECTS_MAX);
        assert!(batch.objects.iter().all(|object| object.oid.format() == ObjectFormat::Sha256));
        same_for_a_lenient_reader(&batch, data);
    }
    if let Ok(answer) = strip_answer(data) {
        let value: Value = serde_json::from_slice(&answer).expect("what goes on is JSON");
        clean(&value);
        assert!(strip_answer(&answer).is_ok(), "stripped, it is refused");
    }
}

/// Another reader takes the last of several names, in any case.
fn same_for_a_lenient_reader(batch: &Batch, data: &[u8]) {
    let value: Value = serde_json::from_slice(data).expect("what was read is JSON");
    let members = value.as_object().expect("a batch is an object");
    let mut named = members.iter().filter(|(name, _)| name.eq_ignore_ascii_case("operation"));
    let (_, operation) = named.next().expect("it says its operation");
    assert!(named.next().is_none(), "it says its operation twice");
    let expected = match batch.operation {
        Operation::Download => "download",
        Operation::Upload => "upload",
    };
    assert_eq!(operation.as_str(), Some(expected));
}

fn clean(value: &Value) {
    match value {
        Value::Array(items) => items.iter().for_each(clean),
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            let name = name.to_lowercase();
            if let ("header", Value::Object(fields)) = (name.as_str(), member) {
                let mut names = fields.keys().map(|name| name.to_lowercase());
                assert!(!names.any(|name| ["authorization", "cookie", "token"].contains(&&*name)));
            }
            if let ("href", Value::String(href)) = (name.as_str(), member)
                && let Some((scheme, rest)) = href.split_once("://")
                && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
            {
                let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
                assert!(!authority.contains('@'), "an address kept who asks: {href}");
            }
            clean(member);
        }),
        _ => {}
    }
}
