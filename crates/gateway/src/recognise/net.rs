//! Bytes to a host, contents unseen: what is left where no connection serves a request.

use std::collections::BTreeMap;

use marque_domain::{Body, Class, Endpoint, Operation, Service};

/// The operation `connect host:port`.
pub(crate) fn connect(scheme: &str, endpoint: &Endpoint) -> Operation {
    Operation {
        over: None,
        service: Service::Net,
        name: "connect".to_owned(),
        class: Class::Unclassified,
        resource: vec![endpoint.to_string()],
        scheme: scheme.to_owned(),
        endpoint: endpoint.clone(),
        parameters: BTreeMap::new(),
        body: Body::Streamed,
        also: Vec::new(),
    }
}
