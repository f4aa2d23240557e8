//! How a client of the reverse door is told what it lacks: `WWW-Authenticate` and the next nonce.

use ::http::header::{CACHE_CONTROL, HeaderName, WWW_AUTHENTICATE};
use ::http::{HeaderValue, Response, StatusCode};
use marque_domain::{Code, Stage};
use marque_plane::Plane;
use marque_wire::oauth::{Challenge, ErrorCode, Resource, Scheme, StepUp};

use crate::refuse::{Notice, is_over};

const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// The algorithms of proofs that are read.
const ALGORITHMS: [&str; 3] = ["ES256", "RS256", "EdDSA"];

/// What of OAuth goes with an answer.
#[derive(Default)]
pub(super) struct Tone {
    metadata: Option<Resource>,
    /// How a person must have been authenticated (RFC 9470).
    step_up: Option<StepUp>,
    /// Whether a token came as `DPoP`, if one came.
    is_dpop: Option<bool>,
    /// What is wrong with the request, for whoever reads codes of OAuth.
    error: Option<ErrorCode>,
    /// Whether the client is told how to do better.
    is_challenged: bool,
}

impl Tone {
    /// The request is for something that is described there.
    pub(super) fn is_at(&mut self, metadata: Option<Resource>) {
        self.metadata = metadata;
    }

    /// A token came.
    pub(super) fn came(&mut self, is_dpop: bool) {
        self.is_dpop = Some(is_dpop);
    }

    /// It, or its proof, does not hold.
    pub(super) fn fails(&mut self, error: ErrorCode) {
        self.error = Some(error);
        self.is_challenged = true;
    }

    /// Its person was not authenticated like that.
    pub(super) fn wants(&mut self, step_up: Option<StepUp>) {
        self.step_up = step_up;
    }

    /// What the road said. Who was refused before it is told why by [`Tone::fails`].
    pub(super) fn hear(&mut self, notice: &Notice) {
        let Some(code) = notice.refusal().filter(|_| !self.is_challenged) else { return };
        self.error = error_of(code);
        self.is_challenged = self.error.is_some() || code == Code::CallerMissing;
    }

    /// Sets it on an answer, ours or one that is passed on.
    pub(super) fn set<B>(&self, answer: &mut Response<B>, is_passed_on: bool, plane: &Plane) {
        let status = answer.status();
        let headers = answer.headers_mut();
        // An upstream's nonce is for its own clients.
        headers.remove(NONCE);
        if self.is_dpop == Some(true)
            && let Ok(nonce) = HeaderValue::from_str(&plane.dpop_nonce())
        {
            headers.insert(NONCE, nonce);
        }
        // Threat 92: what may be kept is kept for nobody else, whose call is another decision.
        if is_passed_on && headers.contains_key(CACHE_CONTROL) {
            headers.append(CACHE_CONTROL, HeaderValue::from_static("private"));
        }
        let can_ask = [StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
        if !is_passed_on && self.is_challenged && can_ask.contains(&status) {
            let schemes = match self.is_dpop {
                Some(false) => &[Scheme::Bearer, Scheme::Dpop][..],
                _ => &[Scheme::Dpop],
            };
            for challenge in schemes.iter().filter_map(|scheme| self.challenge(*scheme)) {
                headers.append(WWW_AUTHENTICATE, challenge);
            }
        }
    }

    fn challenge(&self, scheme: Scheme) -> Option<HeaderValue> {
        let challenge = Challenge {
            scheme,
            error: self.error,
            scope: None,
            resource_metadata: self.metadata.as_ref(),
            acr_values: self.step_up.as_ref().and_then(|wanted| wanted.acr_values.as_deref()),
            max_age_secs: self.step_up.as_ref().and_then(|wanted| wanted.max_age_secs),
            algorithms: if scheme == Scheme::Dpop { &ALGORITHMS } else { &[] },
        };
        HeaderValue::from_str(&challenge.to_string()).ok()
    }
}

/// What a no of the road is called in OAuth; `None` where no other token would help, nor this one
/// against another actor: a human is asked, a limit is spent, nothing can be recorded.
fn error_of(code: Code) -> Option<ErrorCode> {
    match code {
        // No token came: there is nothing wrong with it (RFC 6750 §3.1).
        Code::CallerMissing => None,
        Code::CallerReplayed => Some(ErrorCode::InvalidDpopProof),
        Code::CallerStepUp => Some(ErrorCode::InsufficientUserAuthentication),
        code if code.stage() == Stage::Caller || is_over(code) => Some(ErrorCode::InvalidToken),
        Code::NothingAllows | Code::BeyondToken | Code::NoTarget | Code::AmbiguousConnection => {
            Some(ErrorCode::InsufficientScope)
        }
        code if code.stage() == Stage::Run => Some(ErrorCode::ActorUnauthorized),
        Code::Never | Code::PolicyForbids | Code::BelowFloor => Some(ErrorCode::ActorUnauthorized),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use marque_domain::Code;
    use marque_wire::oauth::ErrorCode;

    use super::error_of;

    #[test]
    fn more_authority_is_asked_for_only_where_it_would_help() {
        for (code, error) in [
            (Code::CallerMissing, None),
            (Code::CallerProof, Some(ErrorCode::InvalidToken)),
            (Code::CallerReplayed, Some(ErrorCode::InvalidDpopProof)),
            (Code::CallerStepUp, Some(ErrorCode::InsufficientUserAuthentication)),
            (Code::RunKilled, Some(ErrorCode::InvalidToken)),
            (Code::AgentStopped, Some(ErrorCode::ActorUnauthorized)),
            (Code::NothingAllows, Some(ErrorCode::InsufficientScope)),
            (Code::BeyondToken, Some(ErrorCode::InsufficientScope)),
            (Code::Never, Some(ErrorCode::ActorUnauthorized)),
            (Code::PolicyForbids, Some(ErrorCode::ActorUnauthorized)),
            (Code::BelowFloor, Some(ErrorCode::ActorUnauthorized)),
            (Code::MandateNeedsApproval, None),
            (Code::BodyTooLarge, None),
            (Code::CallsSpent, None),
            (Code::Overloaded, None),
        ] {
            assert_eq!(error_of(code), error, "{code}");
        }
        // What is told with 401 says why, but for the request that has no token at all.
        for code in Code::ALL.into_iter().filter(|code| *code != Code::CallerMissing) {
            let refusal = marque_domain::Refusal::new(code, "no", "nothing");
            let notice = crate::refuse::Notice::refused(refusal, crate::refuse::Place::Reverse);
            let answer = notice.response(crate::refuse::Style::Text);
            let status = error_of(code).map(ErrorCode::resource_status);
            assert!(
                status.is_none_or(|status| status == answer.status().as_u16()),
                "{code}: {status:?}, but {}",
                answer.status()
            );
        }
    }
}
