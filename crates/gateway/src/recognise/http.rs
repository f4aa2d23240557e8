//! Any HTTP API: the operation is the method, or the opening of a WebSocket, its resource the
//! canonical path.

use std::collections::BTreeMap;

use marque_domain::{Body, Effect, Operation, SOCKET_OPENING, Service};

use super::{Recognise, Recognised, Seen};
use crate::headers;
use crate::refuse::Notice;

pub(super) struct Http;

impl Recognise for Http {
    fn recognise(&self, seen: &Seen<'_>) -> Result<Option<Recognised>, Notice> {
        // Its messages are asked for by the path, which has to mean one thing then.
        if seen.opens_socket && seen.path.other_reading().is_some() {
            let message = "a WebSocket is opened at a path without encoded slashes";
            return Err(Notice::malformed("target", message, "write the slash as it is"));
        }
        Ok(operation(seen).map(Recognised::plain))
    }
}

fn operation(seen: &Seen<'_>) -> Option<Operation> {
    let name = if seen.opens_socket { SOCKET_OPENING } else { seen.method.as_str() };
    let kind = Service::Http.operation(name)?;
    let mut parameters: BTreeMap<String, String> = headers::parameters(seen.headers);
    if let Some(query) = seen.path.query() {
        parameters.insert("query".to_owned(), query.to_owned());
    }
    // Threat 84: a server takes it for one or for the other, so both must be allowed.
    let also = seen.path.other_reading().map(|path| Effect {
        name: kind.name.to_owned(),
        class: kind.class,
        resource: vec![path],
    });
    Some(Operation {
        over: None,
        service: Service::Http,
        name: kind.name.to_owned(),
        class: kind.class,
        resource: vec![seen.path.path().to_owned()],
        scheme: seen.scheme.to_owned(),
        endpoint: seen.endpoint.clone(),
        parameters,
        body: if seen.has_body { Body::Streamed } else { Body::Empty },
        also: also.into_iter().collect(),
    })
}

#[cfg(test)]
mod tests;
