//! Answers of the git host: what git printed, as it prints it, and the few words of its own.

use std::io;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::response::Parts;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;

use super::cgi::Output;

/// An answer.
pub(super) type Reply = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// For whoever does not have the token.
pub(super) fn who_are_you() -> Reply {
    let mut reply = told(StatusCode::UNAUTHORIZED);
    let basic = HeaderValue::from_static("Basic realm=\"git\"");
    reply.headers_mut().insert(WWW_AUTHENTICATE, basic);
    reply
}

/// A status, and its usual words.
pub(super) fn told(status: StatusCode) -> Reply {
    let words = format!("{}\n", status.canonical_reason().unwrap_or_default());
    let body = Full::new(Bytes::from(words)).map_err(|never| match never {});
    let mut reply = Response::new(body.boxed_unsync());
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    reply
}

/// The credential of the request, in two pieces.
pub(super) fn echo(credential: &HeaderValue) -> Reply {
    let credential = Bytes::copy_from_slice(credential.as_bytes());
    let half = credential.len() / 2;
    let pieces = [credential.slice(..half), credential.slice(half..)];
    let frames = stream::iter(pieces.map(|piece| Ok(Frame::data(piece))));
    Response::new(StreamBody::new(frames).boxed_unsync())
}

/// What git prints, as it prints it.
pub(super) fn streamed(head: Parts, output: Output) -> Reply {
    let body = stream::unfold(output, |mut output| async move {
        let piece = output.next().await.transpose()?;
        Some((piece.map(Frame::data), output))
    });
    Response::from_parts(head, StreamBody::new(body).boxed_unsync())
}
