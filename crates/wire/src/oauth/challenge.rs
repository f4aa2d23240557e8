//! `WWW-Authenticate` of a resource (RFC 6750 section 3, RFC 9449 section 7.1, RFC 9470, RFC 9728).

use std::fmt;

use super::{ErrorCode, Resource, Scope};

/// With what a token is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// With a proof of possession.
    Dpop,
    /// Alone.
    Bearer,
}

/// What a resource says when it refuses. Every value is of ours and can be quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge<'a> {
    /// With what a token is to be presented.
    pub scheme: Scheme,
    /// Why; `None` where no token was presented at all.
    pub error: Option<ErrorCode>,
    /// What would be enough.
    pub scope: Option<&'a Scope>,
    /// Where it is told who issues tokens.
    pub resource_metadata: Option<&'a Resource>,
    /// The class of authentication that would be enough.
    pub acr_values: Option<&'a str>,
    /// How long ago, in seconds, it may have been.
    pub max_age_secs: Option<u64>,
    /// The algorithms of proofs that are read.
    pub algorithms: &'a [&'a str],
}

impl fmt::Display for Challenge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = [
            ("error", self.error.map(|error| error.as_str().to_owned())),
            ("scope", self.scope.map(Scope::to_string)),
            ("resource_metadata", self.resource_metadata.map(Resource::to_string)),
            ("acr_values", self.acr_values.map(str::to_owned)),
            ("max_age", self.max_age_secs.map(|secs| secs.to_string())),
            ("algs", (!self.algorithms.is_empty()).then(|| self.algorithms.join(" "))),
        ];
        f.write_str(match self.scheme {
            Scheme::Dpop => "DPoP",
            Scheme::Bearer => "Bearer",
        })?;
        let values = values.into_iter().filter_map(|(name, value)| Some((name, value?)));
        for (at, (name, value)) in values.enumerate() {
            // What cannot be quoted is left out; nothing of ours ever is (RFC 9110 section 5.6.4).
            let value: String = value.chars().filter(|letter| can_be_quoted(*letter)).collect();
            write!(f, "{}{name}=\"{value}\"", if at == 0 { " " } else { ", " })?;
        }
        Ok(())
    }
}

fn can_be_quoted(letter: char) -> bool {
    matches!(letter, ' '..='~') && letter != '"' && letter != '\\'
}
