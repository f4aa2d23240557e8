//! Step-up authentication (RFC 9470): whether a person was authenticated well enough for a call.

use super::AccessTokenClaims;
use crate::jose::NumericDate;

/// How a person must have been authenticated (RFC 9470).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StepUp {
    /// The classes of authentication of which one is enough, with a space between them.
    pub acr_values: Option<String>,
    /// How long ago, in seconds, it may have been at most.
    pub max_age_secs: Option<u64>,
}

impl StepUp {
    /// Whether a token's person was. A token without an authentication never has one that is
    /// enough.
    pub fn holds(&self, claims: &AccessTokenClaims, now: NumericDate) -> bool {
        let Some(authentication) = &claims.authentication else { return false };
        let is_class = self.acr_values.as_ref().is_none_or(|values| {
            let acr = authentication.acr.as_deref();
            values.split(' ').any(|value| Some(value) == acr)
        });
        let age_secs = now.seconds_since(authentication.auth_time);
        is_class && self.max_age_secs.is_none_or(|max| age_secs <= max)
    }
}
