//! Whether a server does what it is measured for: who checks nothing is fast.

use anyhow::{Context as _, ensure};

use super::ask::Asker;
use super::flow::{Binding, CHAINS, Proof};
use super::prepare::{Keys, claims};
use super::side::Side;

/// Fails unless it refuses what is forged and what comes twice, binds tokens to proofs, narrows
/// what it exchanges, and knows which tokens are over.
pub(super) fn require(side: &Side, keys: &Keys) -> anyhow::Result<()> {
    let name = side.name;
    let mut asker = Asker::open(&side.way())?;
    let request = keys.with_assertion(side, None)?;
    ensure!(asker.ask(&forged(&request)?)?.status == 401, "{name} takes a forged assertion");
    ensure!(asker.ask(&request)?.status == 200, "{name} takes no assertion");
    // RFC 6749 section 5.2 has two words for it: the client is not proven, or the request is wrong.
    let again = asker.ask(&request)?.status;
    ensure!(matches!(again, 400 | 401), "{name} takes an assertion twice");
    let nonce = keys.nonce(side, Binding::Proof)?;
    let bound = asker.ask(&keys.with_assertion(side, nonce.as_deref())?)?;
    ensure!(bound.text("token_type")? == "DPoP", "{name} binds no token to a proof");
    let tokens = keys.tokens(side, 1)?;
    let token = tokens.first().context("no token")?;
    for proof in [Proof::Secret, Proof::Assertion] {
        let is_active = asker.ask(&keys.looked_up(side, proof, token)?)?.flag("active")?;
        ensure!(is_active, "{name} does not know its own token");
    }
    ensure!(asker.ask(&keys.taken_back(side, token)?)?.status == 200, "{name} revokes no token");
    for proof in [Proof::Secret, Proof::Assertion] {
        let is_active = asker.ask(&keys.looked_up(side, proof, token)?)?.flag("active")?;
        ensure!(!is_active, "{name} does not know that a token is over");
    }
    let deepest = CHAINS.into_iter().filter(|actors| side.exchanges(*actors)).max();
    deepest.map_or(Ok(()), |actors| chain(side, keys, actors))
}

// Every exchange adds one actor, and the issuer says who: `act` in `act`, the first of all is
// `sub`.
fn chain(side: &Side, keys: &Keys, actors: usize) -> anyhow::Result<()> {
    let name = side.name;
    let subjects = keys.subjects(side, actors, 1)?;
    let subject = subjects.first().context("no token to be exchanged")?;
    let mut asker = Asker::open(&side.way())?;
    let request = keys.exchange(side, (actors, subject), None)?;
    let token = asker.ask(&request)?.text("access_token")?;
    let claims = claims(&token)?;
    let next = |inner: &serde_json::Value| inner.get("act").cloned();
    let depth = std::iter::successors(next(&claims), next).count();
    ensure!(depth + 1 == actors, "{name} says {depth} who act, of {actors} in the chain");
    let spoilt = asker.ask(&keys.exchange(side, (actors, &format!("{subject}A")), None)?)?;
    ensure!(spoilt.status == 400, "{name} exchanges a forged token");
    Ok(())
}

/// The same request with another signature, which stands at its end.
fn forged(request: &[u8]) -> anyhow::Result<Vec<u8>> {
    const TAIL: usize = 20;
    let kept = request.len().checked_sub(TAIL).context("a request without a signature")?;
    let (kept, _) = request.split_at(kept);
    Ok([kept, &[b'A'; TAIL]].concat())
}
