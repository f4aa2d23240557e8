//! Calls: recognised requests, as the gateway would hand them to the road.

use std::collections::BTreeMap;

use marque_crypto::hash::sha256;
use marque_domain::{Body, Class, Effect, Endpoint, Operation, Service};

/// The host of the connection `api`.
pub const HOST: &str = "api.test";

/// One request, to [`HOST`] over TLS unless it says otherwise.
#[derive(Debug, Clone)]
pub struct Call {
    pub(crate) operation: Operation,
    pub(crate) announced_bytes: u64,
}

/// A read.
pub fn get(path: &str) -> Call {
    Call::new("GET", path)
}

/// A write without a body.
pub fn post(path: &str) -> Call {
    Call::new("POST", path)
}

/// A write that takes something away.
pub fn delete(path: &str) -> Call {
    Call::new("DELETE", path)
}

/// A push to one repository that creates or updates these refs: `(name, old, new)`.
pub fn push(repository: &str, refs: &[(&str, &str, &str)]) -> Call {
    let mut effects = refs.iter().map(|(name, _, _)| effect("git.push", repository, name));
    let first = effects.next().unwrap();
    let parameters =
        refs.iter().map(|(name, old, new)| (format!("ref.{name}"), format!("update {old} {new}")));
    let operation = Operation {
        over: None,
        service: Service::Git,
        name: first.name,
        class: first.class,
        resource: first.resource,
        scheme: "https".to_owned(),
        endpoint: Endpoint { host: HOST.to_owned(), port: 443 },
        parameters: parameters.collect(),
        body: Body::Bound,
        also: effects.collect(),
    };
    Call { operation, announced_bytes: 0 }
}

fn effect(name: &str, repository: &str, part: &str) -> Effect {
    let kind = Service::Git.operation(name).unwrap();
    let resource = vec![repository.to_owned(), part.to_owned()];
    Effect { name: name.to_owned(), class: kind.class, resource }
}

impl Call {
    /// A request of that method.
    pub fn new(method: &str, path: &str) -> Self {
        let kind = Service::Http.operation(method);
        let operation = Operation {
            over: None,
            service: Service::Http,
            name: method.to_owned(),
            class: kind.map_or(Class::Unclassified, |kind| kind.class),
            resource: vec![path.to_owned()],
            scheme: "https".to_owned(),
            endpoint: Endpoint { host: HOST.to_owned(), port: 443 },
            parameters: BTreeMap::new(),
            body: Body::Empty,
            also: Vec::new(),
        };
        Self { operation, announced_bytes: 0 }
    }

    /// The same request to another host.
    #[must_use]
    pub fn to(mut self, host: &str) -> Self {
        host.clone_into(&mut self.operation.endpoint.host);
        self
    }

    /// The same request with a query.
    #[must_use]
    pub fn query(self, query: &str) -> Self {
        self.parameter("query", query)
    }

    /// The same request with a header that is sent on.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.parameter(&format!("header {name}"), value)
    }

    /// The same request with a body that was read whole.
    #[must_use]
    pub fn body(mut self, text: &str) -> Self {
        self.operation.body = Body::Read {
            digest: sha256(text.as_bytes()),
            size_bytes: text.len() as u64,
            preview: text.to_owned(),
        };
        self
    }

    /// The same request with a body that streams past unread.
    #[must_use]
    pub fn streamed(mut self) -> Self {
        self.operation.body = Body::Streamed;
        self
    }

    /// The same push, deleting a ref too.
    #[must_use]
    pub fn deleting(mut self, name: &str, old: &str) -> Self {
        let repository = self.operation.resource.first().unwrap().clone();
        self.operation.class = Class::Admin;
        self.operation.also.push(effect("git.delete", &repository, name));
        self.parameter(&format!("ref.{name}"), &format!("delete {old}"))
    }

    /// The same request with a `content-length`.
    #[must_use]
    pub fn announcing(mut self, bytes: u64) -> Self {
        self.announced_bytes = bytes;
        self
    }

    /// The same request over plain HTTP.
    #[must_use]
    pub fn in_the_clear(mut self) -> Self {
        "http".clone_into(&mut self.operation.scheme);
        self
    }

    /// What the road is asked.
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    fn parameter(mut self, name: &str, value: &str) -> Self {
        self.operation.parameters.insert(name.to_owned(), value.to_owned());
        self
    }
}
