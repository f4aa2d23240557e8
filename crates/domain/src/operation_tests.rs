//! Operations of one effect and of many.

use std::collections::BTreeMap;

use super::{Body, Effect, Operation};
use crate::canonical_bytes;
use crate::connection::Endpoint;
use crate::service::{Class, Service};

fn push() -> Operation {
    Operation {
        over: None,
        service: Service::Git,
        name: "git.push".to_owned(),
        class: Class::Write,
        resource: vec!["acme/api".to_owned(), "refs/heads/main".to_owned()],
        scheme: "https".to_owned(),
        endpoint: Endpoint { host: "git.demo.test".to_owned(), port: 443 },
        parameters: BTreeMap::new(),
        body: Body::Bound,
        also: Vec::new(),
    }
}

fn push_and_delete() -> Operation {
    let gone = Effect {
        name: "git.delete".to_owned(),
        class: Class::Admin,
        resource: vec!["acme/api".to_owned(), "refs/heads/old".to_owned()],
    };
    Operation { class: Class::Admin, also: vec![gone], ..push() }
}

#[test]
fn an_operation_reads_as_what_it_does_first_and_how_much_more() {
    let one = "git.push https://git.demo.test:443/acme/api refs/heads/main";
    assert_eq!(push().to_string(), one);
    assert_eq!(push_and_delete().to_string(), format!("{one} and 1 more"));
}

#[test]
fn every_effect_has_its_own_class_and_line() {
    let both = push_and_delete();
    let classes: Vec<Class> = both.effects().map(|effect| effect.class).collect();
    assert_eq!(classes, [Class::Write, Class::Admin]);
    assert_eq!(
        both.lines("code"),
        ["code:git.push acme/api refs/heads/main", "code:git.delete acme/api refs/heads/old"]
    );
    assert_eq!(both.line("code"), both.lines("code")[0]);
}

#[test]
fn an_operation_without_further_effects_has_the_bytes_it_always_had() {
    let text = String::from_utf8(canonical_bytes(&push()).unwrap()).unwrap();
    assert!(!text.contains("also"), "{text}");
    assert_eq!(serde_json::from_str::<Operation>(&text).unwrap(), push());
    let both = serde_json::to_string(&push_and_delete()).unwrap();
    assert_eq!(serde_json::from_str::<Operation>(&both).unwrap(), push_and_delete());
}
