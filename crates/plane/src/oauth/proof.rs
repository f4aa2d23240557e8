//! Proof of possession: whose key or certificate a token will be bound to (RFC 9449, RFC 8705 §3).

use marque_crypto::hash::sha256;
use marque_domain::Timestamp;
use marque_wire::jose::NumericDate;
use marque_wire::oauth::{
    BadProof, Confirmation, DpopProof, ErrorCode, ExpectedProof, Htu, Thumbprint,
};

use super::answer::Refused;
use super::ask::EndpointAsk;
use super::bound::Use;
use super::nonce::Nonces;
use crate::plane::Plane;

/// When a proof is looked at: by the clock, and by the clock as if it had never stepped back. What
/// is good once goes by the latter.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Timestamp,
    pub(super) steady: Timestamp,
}

impl Plane {
    pub(super) fn moment(&self) -> Moment {
        let now = self.now();
        Moment { now, steady: self.world().tokens.steady(now) }
    }
}

/// Who may present the token, and the proof of it that is used up.
pub(super) struct Possession {
    pub(super) confirmation: Option<Confirmation>,
    pub(super) uses: Option<Use>,
}

impl Plane {
    /// What the requester of a token proved to hold. At the token endpoint a proof must have a
    /// nonce.
    pub(super) fn possession_of(
        &self,
        ask: &EndpointAsk,
        target: &str,
    ) -> Result<Possession, Refused> {
        let Moment { now, steady } = self.moment();
        let proof = ask.proof.as_ref().map_err(|problem| refused(*problem))?;
        let Some(proof) = proof else {
            let certificate = ask.certificate.as_deref().map(thumbprint);
            let confirmation = certificate.map(Confirmation::Certificate);
            return Ok(Possession { confirmation, uses: None });
        };
        let nonces = self.nonces(steady);
        let good = nonces.good();
        let target = Htu::parse(target).map_err(|_| refused(BadProof::Target))?;
        let expected = ExpectedProof {
            method: "POST",
            target: &target,
            now: NumericDate::of(now),
            nonces: Some(&good),
            access_token: None,
            key: None,
        };
        let proof = DpopProof::check(proof, &expected).map_err(refused)?;
        let uses = Some(used(&proof, steady));
        Ok(Possession { confirmation: Some(Confirmation::Key(proof.key)), uses })
    }
}

/// A proof that had a nonce: it is remembered until its nonce is over, or it is too old.
pub(super) fn used(proof: &DpopProof, steady: Timestamp) -> Use {
    let until = proof.until.timestamp().min(Nonces::over(steady));
    Use::of("dpop", &proof.key.to_string(), &proof.jti, until)
}

/// What a certificate is called in a token (RFC 8705 §3.1).
pub(super) fn thumbprint(certificate: &[u8]) -> Thumbprint {
    Thumbprint::from_bytes(*sha256(certificate).as_bytes())
}

fn refused(problem: BadProof) -> Refused {
    match problem {
        BadProof::Nonce => {
            Refused::of(ErrorCode::UseDpopNonce, "the proof must have the nonce of this answer")
        }
        _ => Refused::of(ErrorCode::InvalidDpopProof, "the DPoP proof does not hold"),
    }
}
