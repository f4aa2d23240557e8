//! From a request to typed values: who asks, with which proof, for what.
//!
//! Every rejection is a problem document. Secrets go from the wire straight into [`Secret`].

mod once;

use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::extract::{FromRequestParts, Query};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderName};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use marque_domain::{Run, User};
use marque_plane::{Acting, Factor, Peer, Presented, Secret};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use self::once::Once;
use crate::control::Through;
use crate::exchange::{DRY_RUN, RUN_SCHEME};
use crate::problem::Problem;
use crate::shared::Shared;

/// Longest `Authorization` field that is looked at, in bytes.
const AUTHORIZATION_MAX_BYTES: usize = 4 * 1024;

/// A human, proven by their factor or by the terminal they unlocked.
pub(crate) struct Human(pub(crate) Acting<User>);

impl FromRequestParts<Shared> for Human {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Problem> {
        let peer = peer(parts)?;
        let factor = factor(&parts.headers)?;
        let is_dry_run = is_dry_run(&parts.headers)?;
        Ok(Self(shared.plane.identify(&peer, factor, is_dry_run).await?))
    }
}

/// The process that asks.
pub(crate) struct Asking(pub(crate) Peer);

impl FromRequestParts<Shared> for Asking {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        peer(parts).map(Self)
    }
}

/// A human's factor, given with this very request. An unlocked terminal is not enough.
pub(crate) struct Present {
    pub(crate) factor: Factor,
    /// Whether the request only asks what would happen.
    pub(crate) is_dry_run: bool,
}

impl FromRequestParts<Shared> for Present {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        let factor = factor(&parts.headers)?.ok_or_else(Problem::no_factor)?;
        Ok(Self { factor, is_dry_run: is_dry_run(&parts.headers)? })
    }
}

/// A run, proven by its secret or by the door it came in through.
pub(crate) struct ThisRun(pub(crate) Acting<Run>);

impl FromRequestParts<Shared> for ThisRun {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Problem> {
        Ok(Self(shared.plane.identify_run(&proof(parts)?)?))
    }
}

/// What of a run was presented, if anything.
pub(crate) struct Shown(pub(crate) Presented);

impl FromRequestParts<Shared> for Shown {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        proof(parts).map(Self)
    }
}

/// Whether the request only asks what would happen.
pub(crate) struct DryRun(pub(crate) bool);

impl FromRequestParts<Shared> for DryRun {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        is_dry_run(&parts.headers).map(Self)
    }
}

/// Query parameters. Unknown ones are refused by the types they are read into.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Shared> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Problem> {
        let read = Query::<T>::from_request_parts(parts, shared).await;
        let Query(asked) =
            read.map_err(|error| Problem::unreadable(one_line(&error.body_text())))?;
        Ok(Self(asked))
    }
}

/// A body that was read whole, in memory that is wiped: it may hold a secret. What the connection
/// was read into before that is the HTTP library's, and it wipes nothing.
#[derive(Clone)]
pub(crate) struct Whole(Arc<Secret>);

impl Whole {
    /// Reads a body of at most `most` bytes.
    pub(crate) async fn read(mut body: Body, most: usize) -> Result<Self, Problem> {
        // All the room there may be need of, since a buffer that grows leaves copies behind.
        let expected = body.size_hint().upper().and_then(|upper| usize::try_from(upper).ok());
        let room = expected.map_or(most, |expected| expected.min(most));
        let mut whole = Zeroizing::new(Vec::with_capacity(room));
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Problem::unreadable("the body broke off"))?;
            let Ok(data) = frame.into_data() else { continue };
            if data.len() > most.saturating_sub(whole.len()) {
                let message = format!("the body has more than {most} bytes");
                return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message));
            }
            whole.extend_from_slice(&data);
        }
        Ok(Self(Arc::new(Secret::from_vec(std::mem::take(&mut *whole)))))
    }

    /// What was read.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.expose()
    }

    /// The body that the gate has read.
    pub(crate) fn of(parts: &Parts) -> Result<&[u8], Problem> {
        let whole = parts.extensions.get::<Self>();
        whole.map(|whole| whole.0.expose()).ok_or_else(|| Problem::unreadable("there is no body"))
    }
}

/// A JSON body.
pub(crate) struct Given<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Given<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let body = Whole::of(parts)?;
        let read = serde_json::from_slice(body).and_then(|Once| serde_json::from_slice(body));
        let read = read.map_err(|error| Problem::unreadable(one_line(&error.to_string())));
        read.map(Self)
    }
}

/// A body as it is: an object of git.
pub(crate) struct Object(pub(crate) Vec<u8>);

impl<S: Send + Sync> FromRequestParts<S> for Object {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Whole::of(parts).map(|bytes| Self(bytes.to_vec()))
    }
}

/// A JSON body whose member `secret` is set apart.
pub(crate) struct GivenSecretly<T> {
    pub(crate) body: T,
    pub(crate) secret: Option<Secret>,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for GivenSecretly<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let body = Whole::of(parts)?;
        let read = serde_json::from_slice(body).and_then(|Once| serde_json::from_slice(body));
        // serde quotes what it stumbles over, and that may be the secret: say only where.
        let WithSecret { rest, secret } = read.map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Problem::unreadable(format!("the body does not parse at line {line}:{column}"))
        })?;
        let body = serde_json::from_value(serde_json::Value::Object(rest));
        let body = body.map_err(|error| Problem::unreadable(one_line(&error.to_string())))?;
        Ok(Self { body, secret: secret.map(|secret| secret.0) })
    }
}

#[derive(serde::Deserialize)]
struct WithSecret {
    secret: Option<SecretText>,
    // INVARIANT: serde takes the named member first, so that the secret never becomes a `Value`.
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

/// A secret as JSON has it, in memory that is wiped.
pub(crate) struct SecretText(pub(crate) Secret);

impl<'de> serde::Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::from_string(text)))
    }
}

fn peer(parts: &Parts) -> Result<Peer, Problem> {
    parts.extensions.get::<Peer>().cloned().ok_or_else(Problem::unknown_process)
}

pub(crate) fn is_dry_run(headers: &HeaderMap) -> Result<bool, Problem> {
    match single(headers, &HeaderName::from_static(DRY_RUN))?.map(str::as_bytes) {
        None => Ok(false),
        Some(b"true") => Ok(true),
        Some(_) => Err(Problem::unreadable(format!("`{DRY_RUN}` is `true` or absent"))),
    }
}

/// The scheme of a credentials field (RFC 9110 §11.4), without judging the rest.
pub(crate) fn scheme<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?;
    value.split(' ').next()
}

/// RFC 7617: `Basic`, and base64 of `user:passphrase` in UTF-8. An empty user means the only one.
fn factor(headers: &HeaderMap) -> Result<Option<Factor>, Problem> {
    let Some((scheme, rest)) = credentials(headers)? else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Problem::unreadable("`authorization` is of no scheme known here"));
    }
    let malformed = || Problem::unreadable("`authorization` does not hold `user:passphrase`");
    let pair = Secret::from_vec(STANDARD.decode(rest).map_err(|_| malformed())?);
    let colon = pair.expose().iter().position(|byte| *byte == b':').ok_or_else(malformed)?;
    let (user, passphrase) = pair.expose().split_at_checked(colon).ok_or_else(malformed)?;
    let passphrase = Secret::from_vec(passphrase.iter().skip(1).copied().collect());
    let user = std::str::from_utf8(user).map_err(|_| malformed())?;
    let user = if user.is_empty() { None } else { Some(user.parse().map_err(|_| malformed())?) };
    Ok(Some(Factor { user, passphrase }))
}

/// The door it came in through is the whole proof; what else is presented there is refused before.
fn proof(parts: &Parts) -> Result<Presented, Problem> {
    let through = parts.extensions.get::<Through>();
    through.map_or_else(|| presented(&parts.headers), |through| Ok(through.presented()))
}

fn presented(headers: &HeaderMap) -> Result<Presented, Problem> {
    let Some((scheme, rest)) = credentials(headers)? else { return Ok(Presented::Nothing) };
    if !scheme.eq_ignore_ascii_case(RUN_SCHEME) {
        return Ok(Presented::Nothing);
    }
    let pair = rest.split_once(':');
    let malformed = || Problem::unreadable("`authorization` does not hold `run:secret`");
    let (run, secret) = pair.ok_or_else(malformed)?;
    Ok(Presented::RunSecret {
        run: run.chars().take(80).collect(),
        secret: Secret::from_string(secret.to_owned()),
    })
}

fn credentials(headers: &HeaderMap) -> Result<Option<(&str, &str)>, Problem> {
    let Some(value) = single(headers, &AUTHORIZATION)? else { return Ok(None) };
    if value.len() > AUTHORIZATION_MAX_BYTES {
        return Err(Problem::unreadable("`authorization` is longer than 4 KiB"));
    }
    let malformed = || Problem::unreadable("`authorization` is a scheme, a space and credentials");
    value.split_once(' ').map(Some).ok_or_else(malformed)
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::unreadable(format!("`{name}` is given twice")));
    }
    let text = value.to_str();
    text.map(Some).map_err(|_| Problem::unreadable(format!("`{name}` is not plain text")))
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect()
}

#[cfg(test)]
mod tests;
