//! Doors: where agents' requests come in.
//!
//! Each door finds out who asks and where to, and hands the request to the pipeline. Now there is
//! the proxy door: absolute-form requests, and tunnels whose TLS ends here.

mod http;
pub(crate) mod proxy;
mod tunnel;

use ::http::Response;
use bytes::Bytes;
use http_body_util::{Either, Full};
use marque_domain::Endpoint;
use marque_wire::host::Authority;

use crate::refuse::{Stop, Style};
use crate::relay::{Cut, Relay};
use crate::tally;

/// The body of an answer: ours, or the upstream's.
type Reply = Either<Full<Bytes>, Relay>;

/// The answer to the client, in the style it reads.
fn reply(result: Result<Response<Relay>, Stop>, style: Style) -> Result<Response<Reply>, Cut> {
    match result {
        Ok(response) => Ok(response.map(Either::Right)),
        Err(Stop::Told(notice)) => {
            // Failures were counted with the outcome of their act.
            if notice.kind() != "failed" {
                tally::ended(notice.kind());
            }
            Ok(notice.response(style).map(Either::Left))
        }
        Err(Stop::Cut) => Err(Cut),
    }
}

fn endpoint(authority: &Authority) -> Endpoint {
    Endpoint { host: authority.host.to_string(), port: authority.port }
}

#[cfg(test)]
mod tests;
