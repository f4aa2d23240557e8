//! Recognisers: from a request to the operation it means.
//!
//! One file each behind one trait. A recogniser sees the head that will be sent on, and of the
//! body no more than it must; it asks nobody and decides nothing.

mod git;
mod http;
mod net;

use ::http::{HeaderMap, Method};
use marque_domain::{Endpoint, Operation, SOCKET_OPENING, Service};
use marque_wire::git::fetch::UploadPackGuard;
use marque_wire::path::Path;

use crate::refuse::Notice;
use crate::voice::Voice;

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
    /// Whether it opens a WebSocket.
    pub(crate) opens_socket: bool,
}

/// A request that a service has a word for.
pub(crate) struct Recognised {
    pub(crate) meaning: Meaning,
    /// How the client reads a no.
    pub(crate) voice: Voice,
    /// Follows the body as it is sent on.
    pub(crate) guard: Option<UploadPackGuard>,
    /// Whether the answer names places and credentials for further requests.
    pub(crate) is_batch: bool,
}

/// What a request means.
pub(crate) enum Meaning {
    /// By its head alone.
    Known(Box<Operation>),
    /// Its body begins with what it means.
    Unread(Box<dyn ReadBody>),
}

/// Learns from the beginning of a body what its request means.
pub(crate) trait ReadBody: Send {
    /// Takes the next bytes; says whether they are enough.
    ///
    /// # Errors
    /// What the client is told where the body is not what its head promised.
    fn feed(&mut self, bytes: &[u8]) -> Result<bool, Notice>;

    /// What was learned, once that was enough or the body is over.
    ///
    /// # Errors
    /// As for [`ReadBody::feed`].
    fn learn(self: Box<Self>) -> Result<Learned, Notice>;
}

/// What the beginning of a body said.
pub(crate) enum Learned {
    /// The operation, and how a no to it is told.
    Operation(Box<Operation>, Voice),
    /// Nothing yet: git asks whether it may speak at all, and is told that it may.
    Probe,
}

/// Turns requests of one service into operations.
pub(crate) trait Recognise: Sync {
    /// The operation a request means; `None` where the service has no word for it.
    ///
    /// # Errors
    /// What the client is told where the request is the service's, and malformed.
    fn recognise(&self, seen: &Seen<'_>) -> Result<Option<Recognised>, Notice>;

    /// Whether a field with this name means anything to the service, and so is sent on.
    fn knows_field(&self, _name: &str) -> bool {
        true
    }
}

impl Recognised {
    /// Whether it was understood as the opening of a WebSocket.
    pub(crate) fn opens_socket(&self) -> bool {
        matches!(&self.meaning, Meaning::Known(operation) if operation.name == SOCKET_OPENING)
    }

    /// Known by its head, and answered as HTTP has it.
    pub(crate) fn plain(operation: Operation) -> Self {
        Self {
            meaning: Meaning::Known(Box::new(operation)),
            voice: Voice::Http,
            guard: None,
            is_batch: false,
        }
    }
}

// The one that knows most first: what is git's is git's, even where another connection to the same
// host would take any request.
static RECOGNISERS: [(Service, &dyn Recognise); 2] =
    [(Service::Git, &git::Git), (Service::Http, &http::Http)];

/// The recognisers of these services, in the order they are asked.
pub(crate) fn among(services: &[Service]) -> impl Iterator<Item = &'static dyn Recognise> {
    let asked = RECOGNISERS.iter().filter(|(service, _)| services.contains(service));
    asked.map(|(_, recogniser)| *recogniser)
}

pub(crate) use net::connect;
