//! Recognisers: from a request to the operation it means.
//!
//! One file each behind one trait. A recogniser sees the head that will be sent on and nothing
//! else; it asks nobody and decides nothing.

mod http;
mod net;

use ::http::{HeaderMap, Method};
use marque_domain::{Endpoint, Operation, Service};
use marque_wire::path::Path;

/// The head of a request as it will be sent on.
pub(crate) struct Seen<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a Path,
    pub(crate) headers: &'a HeaderMap,
    /// `https` or `http`, as the client speaks it.
    pub(crate) scheme: &'static str,
    pub(crate) endpoint: &'a Endpoint,
    /// Whether a body follows.
    pub(crate) has_body: bool,
}

/// Turns requests of one service into operations.
pub(crate) trait Recognise: Sync {
    /// The operation a request means; `None` where the service has no word for it.
    fn operation(&self, seen: &Seen<'_>) -> Option<Operation>;
}

/// The recogniser of a service.
pub(crate) fn of(service: Service) -> &'static dyn Recognise {
    match service {
        Service::Http => &http::Http,
        Service::Git => &Nothing,
        Service::Net => &net::Net,
    }
}

// Knows no request: everything is refused.
struct Nothing;

impl Recognise for Nothing {
    fn operation(&self, _seen: &Seen<'_>) -> Option<Operation> {
        None
    }
}

pub(crate) use net::connect;
