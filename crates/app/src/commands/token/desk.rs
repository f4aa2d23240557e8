//! Where tokens are asked for: inside a run at its own socket, outside over the network.

use std::path::PathBuf;

use bytes::Bytes;
use http::{Response, StatusCode};
use marque_crypto::Secret;
use marque_plane::Clock as _;
use marque_wire::jose::NumericDate;
use marque_wire::oauth::{Htu, Issuer, ProofDraft};
use serde_json::Value;

use super::form::FormDraft;
use super::key::{Key, fresh_name};
use super::service;
use crate::client::{Client, Https, Posted};
use crate::clock::SystemClock;
use crate::context::Context;
use crate::exit::{Exit, Failure};

/// Where a run asks for its own tokens.
const OWN_RUN: &str = "/v1/run/token";
const ASSERTION: &[u8] = b"urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Where to ask, and as whom.
pub(super) struct Desk {
    issuer: Issuer,
    way: Way,
}

enum Way {
    /// As the run this process is in.
    Run(Client),
    /// As a registered client, or a run with a key of its own.
    Network { https: Box<Https>, client_id: String, key: Box<Key> },
}

/// A token that was received. No `Debug`.
pub(super) struct Received {
    pub(super) token: Secret,
    pub(super) expires_in_secs: u64,
    pub(super) is_bound: bool,
    /// The whole answer, the token included.
    pub(super) answer: Value,
}

impl Desk {
    /// As that client with that key, or else as the run this process is in.
    pub(super) async fn find(
        context: &Context,
        client: (Option<String>, Option<PathBuf>),
        issuer: Option<String>,
    ) -> Result<Self, Failure> {
        let way = match client {
            (Some(client_id), Some(key)) => Way::Network {
                https: Box::new(service::https(context)?),
                client_id,
                key: Box::new(Key::read(&key)?),
            },
            _ => Way::Run(context.run_client()?.ok_or_else(|| {
                Failure::new(Exit::Usage, "this process is in no run, and no client is named").hint(
                    "name one with `--client ID --key FILE`, or ask inside a run: `marque run \
                         --agent NAME -- marque token issue …`",
                )
            })?),
        };
        Ok(Self { issuer: service::named(context, issuer).await?, way })
    }

    /// Asks for a token that is bound to that key.
    pub(super) async fn token(&self, form: FormDraft, confirm: &Key) -> Result<Received, Failure> {
        let answer = self.with_nonce("token", &form, Some(confirm)).await?;
        received(&answer)
    }

    /// Asks the issuer whether a token is good now: what it answers.
    pub(super) async fn introspect(&self, token: &Secret) -> Result<Value, Failure> {
        let form = FormDraft::default().with("token", token.expose());
        let answer = self.with_nonce("introspect", &form, None).await?;
        if answer.status() != StatusCode::OK {
            return Err(refused(&answer));
        }
        parsed(&answer)
    }

    // RFC 9449 section 8: the first answer brings the nonce that the proof must have.
    pub(super) async fn with_nonce(
        &self,
        name: &str,
        form: &FormDraft,
        confirm: Option<&Key>,
    ) -> Result<Response<Bytes>, Failure> {
        let answer = self.once(name, form, (confirm, None)).await?;
        let nonce = answer.headers().get("dpop-nonce").and_then(|nonce| nonce.to_str().ok());
        match nonce.filter(|_| says(&answer, "use_dpop_nonce")) {
            Some(nonce) => self.once(name, form, (confirm, Some(nonce))).await,
            None => Ok(answer),
        }
    }

    async fn once(
        &self,
        name: &str,
        form: &FormDraft,
        (confirm, nonce): (Option<&Key>, Option<&str>),
    ) -> Result<Response<Bytes>, Failure> {
        let url = service::endpoint(self.issuer.as_str(), name);
        let now = NumericDate::of(SystemClock::start().now());
        let target = Htu::parse(&url);
        let target = target.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        let draft = ProofDraft {
            jti: &fresh_name(),
            method: "POST",
            target: &target,
            iat: now,
            access_token_hash: None,
            nonce,
        };
        let proof = confirm.map(|key| key.proof(&draft)).transpose()?;
        match &self.way {
            Way::Run(client) => {
                client.post_form(OWN_RUN, Posted { form: form.finish(), proof }).await
            }
            Way::Network { https, client_id, key } => {
                let assertion = key.assertion(client_id, &self.issuer, now)?;
                let form = form
                    .duplicate()
                    .with("client_id", client_id.as_bytes())
                    .with("client_assertion_type", ASSERTION)
                    .with("client_assertion", assertion.expose());
                https.post(&url, Posted { form: form.finish(), proof }).await
            }
        }
    }
}

/// The token of an answer, or why there is none.
pub(super) fn received(answer: &Response<Bytes>) -> Result<Received, Failure> {
    if answer.status() != StatusCode::OK {
        return Err(refused(answer));
    }
    let answer = parsed(answer)?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let token = text("access_token").ok_or_else(|| {
        Failure::new(Exit::Failed, "the server's answer holds no token")
            .hint("is the issuer really a token service? see `marque doctor`")
    })?;
    Ok(Received {
        token: Secret::from_string(token.to_owned()),
        expires_in_secs: answer.get("expires_in").and_then(Value::as_u64).unwrap_or_default(),
        is_bound: text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("dpop")),
        answer,
    })
}

fn parsed(answer: &Response<Bytes>) -> Result<Value, Failure> {
    serde_json::from_slice(answer.body()).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot read the server's answer: {error}"))
    })
}

/// Whether an answer is a refusal of that code.
pub(super) fn says(answer: &Response<Bytes>, code: &str) -> bool {
    // A run at its own socket is told as every other verb tells it.
    let is_said = |body: &Value, name: &str| body.get(name).is_some_and(|said| said == code);
    serde_json::from_slice::<Value>(answer.body())
        .is_ok_and(|body| is_said(&body, "error") || is_said(&body, "code"))
}

/// Why there is no token: what OAuth says of it over the network, and at the run's own socket what
/// the road said.
fn refused(answer: &Response<Bytes>) -> Failure {
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let text = |names: &[&str]| {
        let mut found = names.iter().filter_map(|name| body.get(name)?.as_str());
        found.next().map(str::to_owned)
    };
    let code = text(&["error", "code"]).unwrap_or_else(|| answer.status().to_string());
    let approval = text(&["marque_approval", "approval"]);
    let message = match text(&["detail", "error_description"]) {
        Some(told) => format!("no token, {code}: {told}"),
        None => format!("no token: {code}"),
    };
    let exit = match code.as_str() {
        _ if approval.is_some() => Exit::Held,
        "temporarily_unavailable"
        | "slow_down"
        | "starting"
        | "stopping"
        | "busy"
        | "unavailable" => Exit::Unavailable,
        _ => Exit::Refused,
    };
    let hint = match &approval {
        Some(approval) => Some(format!(
            "have it approved with `marque approval give {approval}`, then ask for the same again; \
             with `--wait` this waits for them"
        )),
        None => text(&["remedy"]).or_else(|| remedy(&code).map(str::to_owned)),
    };
    let reference = approval.or_else(|| text(&["decision", "reference"]));
    Failure { exit, message, hint, reference }
}

fn remedy(code: &str) -> Option<&'static str> {
    Some(match code {
        "invalid_client" => {
            "is the client active, the key its own, and the issuer spelt as it is configured? see \
             `marque client show`"
        }
        "invalid_target" => "see `marque connection list` for what tokens can be for",
        "invalid_scope" | "invalid_authorization_details" => {
            "see what the run may do with `marque whoami`; a grant allows more"
        }
        "invalid_grant" => "see `marque log query --event decided --answer refused`",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Response;

    use super::{Exit, received, refused};

    fn answer(status: u16, body: &'static str) -> Response<Bytes> {
        Response::builder().status(status).body(Bytes::from_static(body.as_bytes())).unwrap()
    }

    #[test]
    fn a_hold_says_how_to_approve_it() {
        let held = r#"{"error":"authorization_pending","error_description":"a human was asked",
            "marque_approval":"apr_1","interval":5}"#;
        let told = refused(&answer(400, held));
        assert_eq!(told.exit, Exit::Held);
        assert_eq!(told.message, "no token, authorization_pending: a human was asked");
        assert!(told.hint.unwrap().contains("`marque approval give apr_1`"));
        assert_eq!(told.reference.as_deref(), Some("apr_1"));
    }

    #[test]
    fn what_was_refused_and_what_cannot_be_now_end_differently() {
        let check = |status: u16, body: &'static str, exit: Exit| {
            let told = refused(&answer(status, body));
            assert_eq!(told.exit, exit, "{body}");
            assert!(told.message.starts_with("no token"), "{}", told.message);
        };
        check(400, r#"{"error":"invalid_scope"}"#, Exit::Refused);
        check(503, r#"{"error":"temporarily_unavailable"}"#, Exit::Unavailable);
        check(403, r#"{"code":"refused.mandate.never","detail":"no"}"#, Exit::Refused);
        check(502, "<html>", Exit::Refused);
    }

    #[test]
    fn an_answer_without_a_token_is_none() {
        assert!(received(&answer(200, "{}")).is_err());
        let got = r#"{"access_token":"a.b.c","token_type":"DPoP","expires_in":300}"#;
        let got = received(&answer(200, got)).ok().unwrap();
        assert_eq!((got.expires_in_secs, got.is_bound), (300, true));
        assert!(got.token.matches(b"a.b.c"));
    }
}
