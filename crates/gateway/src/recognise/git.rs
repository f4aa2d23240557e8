//! Git over HTTP: what happens to which repository, and to which of its refs.
//!
//! Owns the mapping from git's requests to operations. The formats are `marque_wire::git`'s. What
//! has the shape of a request of git and is none is refused here, so that it never falls through to
//! a recogniser that knows less.

mod batch;
mod push;

use ::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use ::http::{HeaderMap, HeaderValue};
use marque_domain::{Body, Class, Operation, Service as Recogniser};
use marque_wire::git::fetch::UploadPackGuard;
use marque_wire::git::{Call, RepoName, Service, Version, route};

use super::{Meaning, Recognise, Recognised, Seen};
use crate::refuse::Notice;
use crate::voice::Voice;

/// Fields that mean something to a git server. No other is sent on, so none can change the effect.
const FIELDS: [&str; 8] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "content-encoding",
    "content-length",
    "content-type",
    "git-protocol",
    "user-agent",
];

pub(super) struct Git;

impl Recognise for Git {
    fn recognise(&self, seen: &Seen<'_>) -> Result<Option<Recognised>, Notice> {
        let malformed = |why: String| Notice::malformed("git", why, "use git as it is");
        let found = route(seen.method, seen.path).map_err(|bad| malformed(bad.to_string()))?;
        let Some(route) = found else { return Ok(None) };
        must_speak_git(seen.headers).map_err(|why| malformed(why.to_owned()))?;
        let about = About::new(seen, route.repo);
        let coding = coding(seen.headers);
        if coding.is_some() && route.call != Call::Exchange(Service::UploadPack) {
            let why = "a request with `content-encoding` cannot be read before it is sent on";
            return Err(malformed(why.to_owned()));
        }
        if let Call::Exchange(service) = route.call {
            must_be_typed(seen.headers, service).map_err(malformed)?;
        }
        if matches!(route.call, Call::LfsBatch | Call::LfsLock | Call::LfsLocksRead)
            && seen.has_body
        {
            must_be_lfs(seen.headers).map_err(|why| malformed(why.to_owned()))?;
        }
        Ok(Some(match route.call {
            Call::Discovery(service) => about.read(Voice::Discovery(service)),
            Call::Dumb | Call::Exchange(Service::UploadArchive) => about.read(Voice::Http),
            Call::LfsDownload | Call::LfsLocksRead => about.read(Voice::Lfs),
            Call::Exchange(Service::UploadPack) => {
                let guard = match coding {
                    None => UploadPackGuard::plain(),
                    Some(b"gzip" | b"x-gzip") => UploadPackGuard::gzip(),
                    Some(_) => {
                        let why = "git compresses a request with gzip and nothing else";
                        return Err(malformed(why.to_owned()));
                    }
                };
                Recognised { guard: Some(guard), ..about.read(Voice::Fetch) }
            }
            Call::Exchange(Service::ReceivePack) => about.unread_push(),
            Call::LfsBatch => about.unread_batch(),
            Call::LfsUpload => about.write("lfs.write"),
            Call::LfsLock => about.write("lfs.lock"),
        }))
    }

    fn knows_field(&self, name: &str) -> bool {
        FIELDS.contains(&name)
    }
}

/// What every operation of one request has in common.
struct About {
    repo: RepoName,
    /// An operation on the repository, whatever it is.
    common: Operation,
}

impl About {
    fn new(seen: &Seen<'_>, repo: RepoName) -> Self {
        let common = Operation {
            over: None,
            service: Recogniser::Git,
            name: "repo.read".to_owned(),
            class: Class::Read,
            resource: vec![repo.as_str().to_owned()],
            also: Vec::new(),
            scheme: seen.scheme.to_owned(),
            endpoint: seen.endpoint.clone(),
            parameters: [("request".to_owned(), request_of(seen))].into(),
            body: if seen.has_body { Body::Streamed } else { Body::Empty },
        };
        Self { repo, common }
    }

    fn read(self, voice: Voice) -> Recognised {
        Recognised { voice, ..Recognised::plain(self.common) }
    }

    fn write(self, name: &str) -> Recognised {
        let operation = self.named(name);
        Recognised { voice: Voice::Lfs, ..Recognised::plain(operation) }
    }

    fn unread_push(self) -> Recognised {
        let meaning = Meaning::Unread(Box::new(push::PushBody::new(self)));
        Recognised { meaning, voice: Voice::Http, guard: None, is_batch: false }
    }

    fn unread_batch(self) -> Recognised {
        let meaning = Meaning::Unread(Box::new(batch::BatchBody::new(self)));
        Recognised { meaning, voice: Voice::Lfs, guard: None, is_batch: true }
    }

    /// The operation of that name on the repository.
    fn named(self, name: &str) -> Operation {
        Operation { name: name.to_owned(), class: class_of(name), ..self.common }
    }
}

fn class_of(name: &str) -> Class {
    Recogniser::Git.operation(name).map_or(Class::Unclassified, |kind| kind.class)
}

/// The request without its repository, for the human who is asked.
fn request_of(seen: &Seen<'_>) -> String {
    let tail: Vec<&str> = seen.path.as_str().rsplitn(4, '/').collect();
    let tail: Vec<&str> = tail.into_iter().take(3).rev().collect();
    format!("{} …/{}", seen.method, tail.join("/"))
}

// Threat 118: two versions at once, or a key that nobody knows, would reach the server as an
// environment variable.
fn must_speak_git(headers: &HeaderMap) -> Result<(), &'static str> {
    let mut offers = headers.get_all("git-protocol").iter();
    match (offers.next(), offers.next()) {
        (None, _) => Ok(()),
        (Some(offer), None) if Version::parse(offer.as_bytes()).is_ok() => Ok(()),
        _ => Err("`git-protocol` is not one of `version=0`, `version=1` and `version=2`"),
    }
}

fn must_be_typed(headers: &HeaderMap, service: Service) -> Result<(), String> {
    let wanted = service.request_type();
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    match (types.next(), types.next()) {
        (Some(found), None) if found.as_bytes() == wanted.as_bytes() => Ok(()),
        _ => Err(format!("the request's `content-type` is not `{wanted}`")),
    }
}

// A body that is read as JSON here must not be a form there.
fn must_be_lfs(headers: &HeaderMap) -> Result<(), &'static str> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(found), None) = (types.next(), types.next()) else {
        return Err("the request has no `content-type`, or several");
    };
    let text = found.to_str().unwrap_or_default().to_ascii_lowercase();
    let (name, parameter) = text.split_once(';').unwrap_or((&text, ""));
    let is_plain = matches!(parameter.trim(), "" | "charset=utf-8");
    if name.trim() == "application/vnd.git-lfs+json" && is_plain {
        Ok(())
    } else {
        Err("the request's `content-type` is not `application/vnd.git-lfs+json`")
    }
}

/// How the body is packed; a list of codings is one that nobody knows.
fn coding(headers: &HeaderMap) -> Option<&[u8]> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    match (codings.next().map(HeaderValue::as_bytes), codings.next()) {
        (None | Some(b"identity"), None) => None,
        (Some(one), None) => Some(one),
        _ => Some(b"several"),
    }
}

#[cfg(test)]
mod tests;
