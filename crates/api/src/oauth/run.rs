//! The token endpoint of a run's own socket: the run is proven by the socket, and is told in full
//! what it is refused.

use axum::extract::{FromRequestParts as _, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use marque_plane::Presented;
use marque_plane::oauth::{EndpointAsk, Refused};
use marque_wire::oauth::{Form, TokenRequest};

use super::answer::{self, No};
use super::ask;
use crate::extract::{Shown, ThisRun, Whole};
use crate::problem::Problem;
use crate::shared::Shared;

/// Answers the form of the token endpoint without client authentication; a DPoP proof in it is for
/// the address of the token endpoint.
pub(crate) async fn own_token(State(shared): State<Shared>, request: Request) -> Response {
    let answer = asked(&shared, request).await.unwrap_or_else(Problem::into_response);
    answer::with_nonce(answer, &shared.plane.dpop_nonce())
}

async fn asked(shared: &Shared, request: Request) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    // Whoever is no run is told so, and not that its client is unknown.
    let ThisRun(_run) = ThisRun::from_request_parts(&mut parts, shared).await?;
    let Shown(presented) = Shown::from_request_parts(&mut parts, shared).await?;
    let form = Form::parse(Whole::of(&parts)?).map_err(No::from)?;
    let request = TokenRequest::parse(form).map_err(No::from)?;
    let ask = beside(presented, ask::proof(&parts.headers));
    let answer = shared.plane.token(ask, request).await;
    match (answer.outcome, answer.deferred, shared.plane.oauth()) {
        (Ok(token), ..) => Ok(answer::json(StatusCode::OK, token.to_body().expose().to_vec())),
        // Whoever comes again is told with what, as over the network.
        (Err(refused), Some(deferred), Some(oauth)) => {
            Ok(No::from(refused).deferred(Some(deferred)).into_response(&oauth.issuer))
        }
        (Err(refused), ..) => Err(problem(refused)),
    }
}

fn beside(
    presented: Presented,
    proof: Result<Option<Vec<u8>>, marque_wire::oauth::BadProof>,
) -> EndpointAsk {
    EndpointAsk { presented, proof, certificate: None, basic: None }
}

fn problem(refused: Refused) -> Problem {
    match refused.refusal {
        Some(refusal) => (*refusal).into(),
        None => No::from(refused).into(),
    }
}
