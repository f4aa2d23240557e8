//! Any HTTP API: the operation is the method, its resource the canonical path.

use std::collections::BTreeMap;

use marque_domain::{Body, Operation, Service};

use super::{Recognise, Recognised, Seen};
use crate::headers;
use crate::refuse::Notice;

pub(super) struct Http;

impl Recognise for Http {
    fn recognise(&self, seen: &Seen<'_>) -> Result<Option<Recognised>, Notice> {
        Ok(operation(seen).map(Recognised::plain))
    }
}

fn operation(seen: &Seen<'_>) -> Option<Operation> {
    let kind = Service::Http.operation(seen.method.as_str())?;
    let mut parameters: BTreeMap<String, String> = headers::parameters(seen.headers);
    if let Some(query) = seen.path.query() {
        parameters.insert("query".to_owned(), query.to_owned());
    }
    Some(Operation {
        service: Service::Http,
        name: kind.name.to_owned(),
        class: kind.class,
        resource: vec![seen.path.path().to_owned()],
        scheme: seen.scheme.to_owned(),
        endpoint: seen.endpoint.clone(),
        parameters,
        body: if seen.has_body { Body::Streamed } else { Body::Empty },
        also: Vec::new(),
    })
}

#[cfg(test)]
mod tests;
