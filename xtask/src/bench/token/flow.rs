//! What is asked of an authorization server.

use std::fmt;

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// `client_credentials` of a machine that proves itself with a secret.
    Secret,
    /// `client_credentials` of a client that signs an assertion (RFC 7523).
    Assertion(Binding),
    /// An exchange (RFC 8693) by such a client, of a token with so many actors.
    Exchange(usize, Binding),
    /// Is this token good (RFC 7662)? Asked with an assertion.
    Introspection,
    /// This token is over (RFC 7009), said with an assertion, of each token once.
    Revocation,
    /// The public keys (RFC 7517).
    Keys,
}

/// Whether a token is bound to the key of a proof (RFC 9449).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    None,
    Proof,
}

/// Lengths of chains that are exchanged.
pub(super) const HOPS: [usize; 3] = [1, 2, 8];

/// All of them, in the order of the tables.
pub(super) fn all() -> Vec<Flow> {
    let bindings = [Binding::None, Binding::Proof];
    let exchanges = HOPS.into_iter().flat_map(|hops| bindings.map(|to| Flow::Exchange(hops, to)));
    [Flow::Secret]
        .into_iter()
        .chain(bindings.map(Flow::Assertion))
        .chain(exchanges)
        .chain([Flow::Introspection, Flow::Revocation, Flow::Keys])
        .collect()
}

impl Flow {
    /// The word for `--only`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Assertion(_) => "assertion",
            Self::Exchange(..) => "exchange",
            Self::Introspection => "introspection",
            Self::Revocation => "revocation",
            Self::Keys => "keys",
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret => write!(out, "client credentials, secret"),
            Self::Assertion(binding) => write!(out, "client credentials, signed JWT{binding}"),
            Self::Exchange(hops, binding) => write!(out, "exchange, {hops} in the chain{binding}"),
            Self::Introspection => write!(out, "introspection, signed JWT"),
            Self::Revocation => write!(out, "revocation, signed JWT"),
            Self::Keys => write!(out, "public keys"),
        }
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::None => "",
            Self::Proof => ", DPoP",
        })
    }
}
