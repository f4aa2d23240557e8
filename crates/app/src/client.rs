//! The admin API's client: HTTP/1.1 over the plane's Unix socket.
//!
//! Where the server wants a human's factor and somebody can be asked, asks once and tries again.
//! Secrets leave only through the socket, in memory that is wiped.

mod dial;
mod https;
mod request;
mod start;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use marque_api::exchange::{DRY_RUN, ProblemDocument, RUN_SCHEME};
use marque_crypto::Secret;
use marque_plane::view::EndedView;
use serde::de::DeserializeOwned;

pub(crate) use dial::dial;
pub(crate) use https::{Https, Posted};
pub(crate) use request::{Request, encode};
pub(crate) use start::connect_or_start;

use crate::exit::{Exit, Failure};
use crate::passphrase::FactorSource;

/// How long an answer may take; a hold takes as long as its run.
const DEADLINE: Duration = Duration::from_secs(40);
/// What a form is (RFC 6749 appendix B).
const FORM: &str = "application/x-www-form-urlencoded";
/// Most bytes of an answer.
const ANSWER_MAX_BYTES: usize = 64 * 1024 * 1024;

/// A run's proof of who it is.
pub(crate) struct RunProof {
    /// Its id.
    pub(crate) run: String,
    /// Its secret.
    pub(crate) secret: Secret,
}

/// Talks to one server.
pub(crate) struct Client {
    socket: PathBuf,
    factor: FactorSource,
    run: Option<RunProof>,
}

/// Why a run is held no longer, and not closed as far as is known.
pub(crate) enum Unheld {
    /// The server that held it is gone, or goes.
    Gone(Failure),
    /// The server says that it does not hold it.
    Refused(Failure),
}

impl From<Unheld> for Failure {
    fn from(why: Unheld) -> Self {
        match why {
            Unheld::Gone(failure) => {
                let message = format!("the run ended with its server: {}", failure.message);
                Self::new(failure.exit, message)
                    .hint("start it again; only a captured run waits for the next server")
            }
            Unheld::Refused(failure) => failure,
        }
    }
}

/// Why there is no answer.
enum Unanswered {
    /// Nobody listens.
    Absent(io::Error),
    /// Somebody listened and broke off.
    Broken(String),
}

impl Client {
    /// A client for the socket there, which asks `factor` where a human is wanted.
    pub(crate) fn new(socket: PathBuf, factor: FactorSource) -> Self {
        Self { socket, factor, run: None }
    }

    /// The same, speaking as a run.
    #[must_use]
    pub(crate) fn speaking_as(self, proof: RunProof) -> Self {
        Self { run: Some(proof), ..self }
    }

    /// The socket it talks to.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Whether a server listens.
    pub(crate) async fn is_answered(&self) -> bool {
        dial(&self.socket).await.is_ok()
    }

    /// Sends a request and reads the view it answers.
    pub(crate) async fn send<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Failure> {
        read(&self.exchange(request).await?)
    }

    /// Holds the run this client speaks as, until it is closed.
    pub(crate) async fn hold(&self) -> Result<EndedView, Unheld> {
        let http = self.http(&Request::get("/v1/run/hold"), None).map_err(Unheld::Refused)?;
        let answer = self.over_socket(http).await;
        let answer = answer.map_err(|why| Unheld::Gone(self.unanswered(why)))?;
        let (status, body) = (answer.status(), answer.into_body());
        if status.is_success() {
            return read(&body).map_err(Unheld::Refused);
        }
        let problem = problem(status, &body);
        // ORDER: by its code alone. A server that cut the run and cannot record it is not gone.
        let is_leaving = problem.code == "stopping";
        let failure = failure(problem);
        Err(if is_leaving { Unheld::Gone(failure) } else { Unheld::Refused(failure) })
    }

    /// Sends a request whose answer is empty.
    pub(crate) async fn send_quietly(&self, request: &Request) -> Result<(), Failure> {
        self.exchange(request).await.map(drop)
    }

    /// Fails unless a server is ready.
    pub(crate) async fn is_ready(&self) -> Result<(), Failure> {
        self.send_quietly(&Request::get("/readyz")).await
    }

    /// Fails unless a server is up. One that cannot write its log is: what it is asked next says
    /// so.
    pub(crate) async fn is_up(&self) -> Result<(), Failure> {
        let (status, body) = self.once(&Request::get("/readyz"), None).await?;
        let told = (!status.is_success()).then(|| problem(status, &body));
        match told.filter(|problem| problem.code != "unavailable") {
            None => Ok(()),
            Some(problem) => Err(failure(problem)),
        }
    }

    async fn exchange(&self, request: &Request) -> Result<Bytes, Failure> {
        let mut factor = match (request.user(), request.wants_presence()) {
            (Some((_, passphrase)), _) => Some(passphrase.duplicate()),
            (None, true) => Some(self.factor.ask("Passphrase: ")?),
            (None, false) => None,
        };
        loop {
            let asked = factor.is_some();
            let (status, body) = self.once(request, factor.take()).await?;
            if status.is_success() {
                return Ok(body);
            }
            let problem = problem(status, &body);
            let may_ask = !asked && self.run.is_none() && self.factor.can_ask();
            if problem.code != "locked" || !may_ask {
                return Err(failure(problem));
            }
            factor = Some(self.factor.ask("Passphrase: ")?);
        }
    }

    /// Sends a form and reads whatever is answered, for whoever reads more of it than a view. As
    /// the run this client speaks as; nobody is asked for a factor.
    pub(crate) async fn post_form(
        &self,
        path: &str,
        posted: Posted,
    ) -> Result<http::Response<Bytes>, Failure> {
        let Posted { form, proof } = posted;
        let request = Request::post(path).bytes(form.expose().to_vec());
        let mut http = self.http(&request, None)?;
        http.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(FORM));
        if let Some(proof) = proof {
            http.headers_mut().insert("dpop", proof);
        }
        self.in_time(http).await
    }

    async fn once(
        &self,
        request: &Request,
        factor: Option<Secret>,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let answer = self.in_time(self.http(request, factor)?).await?;
        Ok((answer.status(), answer.into_body()))
    }

    async fn in_time(
        &self,
        request: http::Request<Full<Bytes>>,
    ) -> Result<http::Response<Bytes>, Failure> {
        let answer = self.over_socket(request);
        let answer = tokio::time::timeout(DEADLINE, answer)
            .await
            .unwrap_or_else(|_| Err(Unanswered::Broken("it took too long".to_owned())));
        answer.map_err(|why| self.unanswered(why))
    }

    fn http(
        &self,
        request: &Request,
        factor: Option<Secret>,
    ) -> Result<http::Request<Full<Bytes>>, Failure> {
        let mut http = http::Request::builder()
            .method(request.method())
            .uri(request.path())
            .header(HOST, "marque")
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json");
        if request.is_dry_run() {
            http = http.header(DRY_RUN, "true");
        }
        if let Some(value) = self.authorization(request, factor) {
            http = http.header(AUTHORIZATION, value?);
        }
        let request = http.body(Full::new(request.body()));
        request.map_err(|error| Failure::new(Exit::Usage, format!("cannot ask that: {error}")))
    }

    fn authorization(
        &self,
        request: &Request,
        factor: Option<Secret>,
    ) -> Option<Result<HeaderValue, Failure>> {
        let text = match (&self.run, factor) {
            (Some(RunProof { run, secret }), _) => {
                let secret = String::from_utf8_lossy(secret.expose());
                Secret::from_string(format!("{RUN_SCHEME} {run}:{secret}"))
            }
            (None, Some(passphrase)) => {
                // RFC 7617 §2; an empty user stands for the only one there is.
                let user = request.user().map_or("", |(name, _)| name);
                let pair = [user.as_bytes(), b":", passphrase.expose()].concat();
                let pair = Secret::from_vec(pair);
                Secret::from_string(format!("Basic {}", STANDARD.encode(pair.expose())))
            }
            (None, None) => return None,
        };
        let value = HeaderValue::from_bytes(text.expose()).map(|mut value| {
            value.set_sensitive(true);
            value
        });
        Some(value.map_err(|_| Failure::new(Exit::Failed, "the secret cannot be sent")))
    }

    async fn over_socket(
        &self,
        request: http::Request<Full<Bytes>>,
    ) -> Result<http::Response<Bytes>, Unanswered> {
        let stream = dial(&self.socket).await.map_err(Unanswered::Absent)?;
        let broken = |error: hyper::Error| Unanswered::Broken(error.to_string());
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the client, and it dials no network"
        )]
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.map_err(broken)?;
        let exchange = async {
            let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
            let body = Limited::new(body, ANSWER_MAX_BYTES).collect().await;
            let body = body.map_err(|error| Unanswered::Broken(error.to_string()))?;
            Ok(http::Response::from_parts(head, body.to_bytes()))
        };
        // The connection only carries the exchange; when it ends first, the exchange tells why.
        let carry = async {
            let _ = connection.await;
            std::future::pending().await
        };
        tokio::select! {
            answer = exchange => answer,
            never = carry => never,
        }
    }

    fn unanswered(&self, why: Unanswered) -> Failure {
        let socket = self.socket.display();
        match why {
            Unanswered::Absent(error) => {
                let message = format!("no server answers on `{socket}`: {error}");
                Failure::new(Exit::Unavailable, message)
                    .hint("start one with `marque up`, or name another with `--data-dir`")
            }
            Unanswered::Broken(why) => {
                let message = format!("the server on `{socket}` broke off: {why}");
                Failure::new(Exit::Unavailable, message)
                    .hint("look whether it took effect before you try again")
            }
        }
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot read the server's answer: {error}"))
            .hint("is the server of another version? stop it, and start it again")
    })
}

fn problem(status: StatusCode, body: &[u8]) -> ProblemDocument {
    serde_json::from_slice(body).unwrap_or_else(|_| ProblemDocument {
        kind: "about:blank".to_owned(),
        title: String::new(),
        status: status.as_u16(),
        detail: format!("the server answered {status} without saying why"),
        code: "unknown".to_owned(),
        remedy: None,
        approval: None,
        reference: None,
    })
}

fn failure(problem: ProblemDocument) -> Failure {
    let exit = match problem.code.as_str() {
        _ if problem.approval.is_some() => Exit::Held,
        "locked" | "not_claimed" | "delayed" | "starting" | "stopping" | "busy" | "unavailable" => {
            Exit::Unavailable
        }
        "forbidden" | "bad_factor" => Exit::Refused,
        code if code.starts_with("refused.") => Exit::Refused,
        _ => Exit::Failed,
    };
    let reference = problem.approval.map(|approval| approval.to_string()).or(problem.reference);
    Failure { exit, message: problem.detail, hint: problem.remedy, reference }
}

#[cfg(test)]
mod tests {
    use super::{Exit, ProblemDocument, StatusCode, failure, problem};

    #[test]
    fn a_problem_becomes_an_exit_code_a_script_can_branch_on() {
        let check = |code: &str, expected: Exit| {
            let document =
                ProblemDocument { code: code.to_owned(), ..problem(StatusCode::OK, b"") };
            assert_eq!(failure(document).exit, expected, "`{code}`");
        };
        check("refused.caller.run", Exit::Refused);
        check("forbidden", Exit::Refused);
        check("locked", Exit::Unavailable);
        check("not_claimed", Exit::Unavailable);
        check("not_found", Exit::Failed);
    }

    #[test]
    fn an_answer_that_is_no_problem_document_still_says_what_came() {
        let told = failure(problem(StatusCode::BAD_GATEWAY, b"<html>"));
        assert_eq!(told.message, "the server answered 502 Bad Gateway without saying why");
    }
}
