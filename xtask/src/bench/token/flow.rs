//! What is asked of an authorization server.

use std::fmt;

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// `client_credentials` of a client that signs an assertion (RFC 7523).
    Assertion(Binding),
    /// An exchange (RFC 8693) by such a client, to a token with so many actors.
    Exchange(usize, Binding),
    /// Is this token good (RFC 7662)?
    Introspection(Proof),
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

/// How whoever asks proves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// With a secret of 256 random bits, in HTTP Basic.
    Secret,
    /// With an assertion that it signs.
    Assertion,
}

/// Actors in the chains that exchanges end in: after one hop, after two, and as many as there may
/// be.
pub(super) const CHAINS: [usize; 3] = [2, 3, CHAIN_MAX];
/// The most actors that Marque lets a chain have.
pub(super) const CHAIN_MAX: usize = 8;

/// All of them, in the order of the tables.
pub(super) fn all() -> Vec<Flow> {
    let bindings = [Binding::None, Binding::Proof];
    let exchanges =
        CHAINS.into_iter().flat_map(|actors| bindings.map(|to| Flow::Exchange(actors, to)));
    let asked = [Proof::Secret, Proof::Assertion].map(Flow::Introspection);
    let others = asked.into_iter().chain([Flow::Revocation, Flow::Keys]);
    bindings.map(Flow::Assertion).into_iter().chain(exchanges).chain(others).collect()
}

impl Flow {
    /// The word for `--only`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Assertion(_) => "assertion",
            Self::Exchange(..) => "exchange",
            Self::Introspection(_) => "introspection",
            Self::Revocation => "revocation",
            Self::Keys => "keys",
        }
    }

    /// Signatures that must be made for it, and those that must be checked: of the assertion, which
    /// is the actor token of an exchange as well, of the proof, and of a token that comes once. One
    /// that comes again and again need not be checked again.
    pub(super) fn signatures(self) -> (u32, u32) {
        let of = |binding| u32::from(binding == Binding::Proof);
        match self {
            Self::Assertion(binding) | Self::Exchange(_, binding) => (1, 1 + of(binding)),
            Self::Introspection(Proof::Assertion) => (0, 1),
            Self::Revocation => (0, 2),
            Self::Introspection(Proof::Secret) | Self::Keys => (0, 0),
        }
    }

    /// Whether its answer waits for the disk.
    pub(super) fn is_of_disk(self) -> bool {
        matches!(self, Self::Assertion(_) | Self::Exchange(..) | Self::Revocation)
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Assertion(binding) => write!(out, "client credentials, signed JWT{binding}"),
            Self::Exchange(actors, binding) => {
                write!(out, "exchange, to {actors} in the chain{binding}")
            }
            Self::Introspection(Proof::Secret) => write!(out, "introspection, secret"),
            Self::Introspection(Proof::Assertion) => write!(out, "introspection, signed JWT"),
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
