//! An upstream's 101 to the opening of a WebSocket: judged, cleaned, and written anew.
//!
//! Owns the head of that answer. What passes afterwards is `socket`'s.

use ::http::Response;
use ::http::header::CONTENT_LENGTH;
use marque_domain::Outcome;

use super::Forwarded;
use super::send::{Answered, Way};
use crate::clean::{Cleaner, Coming, MessageCleaner};
use crate::dial::Switched;
use crate::failure::Failure;
use crate::headers;
use crate::refuse::{Notice, Stop};
use crate::relay::Act;
use crate::socket::{Asker, Socket};

/// Opens to the client the socket that the upstream opened to us.
pub(super) async fn switched(
    answered: Answered,
    way: Way,
    asker: Option<Asker>,
    mut act: Act,
) -> Result<Forwarded, Stop> {
    let mut found = 0;
    let opened = open(answered, &way, &mut found).await;
    act.found(found);
    match (opened, asker) {
        (Ok((head, upstream)), Some(asker)) => {
            let cleaner = MessageCleaner::new(found, way.connection.fact.answers.on_echo);
            let socket = Socket::new(upstream, (asker, way.key), (act, cleaner));
            Ok(Forwarded::Switched(head, Box::new(socket)))
        }
        (opened, _) => {
            let failure = opened.err().unwrap_or(Failure::Broken { host: way.key.host() });
            act.end(Outcome::Failed { code: failure.code().to_owned() });
            Err(Notice::failed(&failure).into())
        }
    }
}

async fn open(
    answered: Answered,
    way: &Way,
    found: &mut u64,
) -> Result<(Response<()>, Switched), Failure> {
    let Answered { mut response, line, needles, opening, .. } = answered;
    let host = way.key.host();
    // The guard admits no 101 to anything else.
    let (opening, asked) = opening.ok_or_else(|| Failure::Broken { host: host.clone() })?;
    asked.check(response.headers()).map_err(|bad| Failure::Upgrade { host, bad })?;
    let upstream = line.switched(&mut response).await?;
    let (mut head, _) = response.into_parts();
    headers::strip_response(&mut head.headers);
    // RFC 9110 §8.6: no length in a 1xx.
    head.headers.remove(CONTENT_LENGTH);
    let answers = &way.connection.fact.answers;
    let coming = Coming { status: head.status, has_body: false, is_read: false };
    let mut cleaner = Cleaner::new(needles, answers.on_echo);
    let cleaned = cleaner.clean_head(&mut head.headers, &answers.passes, coming);
    *found = cleaner.found();
    cleaned.map_err(Failure::Unclean)?;
    opening.answer(&mut head.headers);
    let mut answer = Response::new(());
    (*answer.status_mut(), *answer.headers_mut()) = (head.status, head.headers);
    Ok((answer, upstream))
}
