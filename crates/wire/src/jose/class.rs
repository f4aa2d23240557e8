//! What kind of token one is: each reader takes exactly one kind (RFC 8725 section 3.11).

use std::fmt;

use marque_crypto::public_key::Algorithm;

/// The classes of signed tokens that are read or written here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenClass {
    /// An access token (RFC 9068): `at+jwt`.
    AccessToken,
    /// A proof of possession (RFC 9449): `dpop+jwt`.
    DpopProof,
    /// A client's assertion about itself (RFC 7523, RFC 10070): `client-authentication+jwt`, and
    /// from older libraries `JWT` or nothing.
    ClientAssertion,
    /// An OpenID Connect ID token: `JWT` or nothing.
    IdToken,
    /// A token of another issuer that says who somebody is, as a CI job or a workload gets one:
    /// `JWT` or nothing.
    Assertion,
    /// A signed answer to an introspection (RFC 9701): `token-introspection+jwt`.
    Introspection,
    /// A token status list: `statuslist+jwt`.
    StatusList,
}

impl TokenClass {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::AccessToken,
        Self::DpopProof,
        Self::ClientAssertion,
        Self::IdToken,
        Self::Assertion,
        Self::Introspection,
        Self::StatusList,
    ];

    /// Longest token of this class, in bytes.
    pub const fn max_bytes(self) -> usize {
        match self {
            Self::DpopProof => 4 * 1024,
            Self::ClientAssertion => 8 * 1024,
            Self::AccessToken | Self::IdToken | Self::Assertion => 16 * 1024,
            Self::Introspection => 64 * 1024,
            Self::StatusList => 2 * 1024 * 1024,
        }
    }

    /// The `typ` that is written.
    pub const fn typ(self) -> &'static str {
        match self {
            Self::AccessToken => "at+jwt",
            Self::DpopProof => "dpop+jwt",
            Self::ClientAssertion => "client-authentication+jwt",
            Self::IdToken | Self::Assertion => "JWT",
            Self::Introspection => "token-introspection+jwt",
            Self::StatusList => "statuslist+jwt",
        }
    }

    /// Whether a token of this `typ` may be of this class. Case counts: every writer of these
    /// classes writes them in this one.
    pub(super) fn accepts(self, typ: Option<&str>) -> bool {
        match typ {
            None | Some("JWT") => {
                matches!(self, Self::ClientAssertion | Self::IdToken | Self::Assertion)
            }
            // RFC 9068 section 4: the long form of a media type is the same.
            Some("application/at+jwt") => self == Self::AccessToken,
            Some(typ) => typ == self.typ(),
        }
    }

    /// Whether a token of this class may be signed so. What we sign ourselves is never Ed25519.
    pub(super) const fn allows(self, algorithm: Algorithm) -> bool {
        match self {
            Self::AccessToken | Self::Introspection | Self::StatusList => {
                !matches!(algorithm, Algorithm::Ed25519)
            }
            Self::DpopProof | Self::ClientAssertion | Self::IdToken | Self::Assertion => true,
        }
    }
}

impl fmt::Display for TokenClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccessToken => "an access token",
            Self::DpopProof => "a DPoP proof",
            Self::ClientAssertion => "a client assertion",
            Self::IdToken => "an ID token",
            Self::Assertion => "an assertion of another issuer",
            Self::Introspection => "a signed introspection answer",
            Self::StatusList => "a status list",
        })
    }
}
