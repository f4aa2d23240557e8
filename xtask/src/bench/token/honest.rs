//! Whether a server does what it is measured for: who checks nothing is fast.

use anyhow::{Context as _, ensure};

use super::ask::Asker;
use super::flow::Binding;
use super::prepare::Keys;
use super::side::Side;

/// Fails unless it refuses what is forged and what comes twice, binds tokens to proofs, and knows
/// which tokens are over.
pub(super) fn require(side: &Side, keys: &Keys) -> anyhow::Result<()> {
    let name = side.name;
    let mut asker = Asker::open(&side.way())?;
    let request = keys.with_assertion(side, None)?;
    ensure!(asker.ask(&forged(&request)?)?.status == 401, "{name} takes a forged assertion");
    ensure!(asker.ask(&request)?.status == 200, "{name} takes no assertion");
    ensure!(asker.ask(&request)?.status == 401, "{name} takes an assertion twice");
    let nonce = keys.nonce(side, Binding::Proof)?;
    let bound = asker.ask(&keys.with_assertion(side, nonce.as_deref())?)?;
    ensure!(bound.text("token_type")? == "DPoP", "{name} binds no token to a proof");
    let tokens = keys.tokens(side, 1)?;
    let token = tokens.first().context("no token")?;
    let mut ask = |path| asker.ask(&keys.about(side, path, token)?);
    let is_active = ask(side.paths.introspection)?.flag("active")?;
    ensure!(is_active, "{name} does not know its own token");
    ensure!(ask(side.paths.revocation)?.status == 200, "{name} revokes no token");
    let is_active = ask(side.paths.introspection)?.flag("active")?;
    ensure!(!is_active, "{name} does not know that a token is over");
    Ok(())
}

/// The same request with another signature, which stands at its end.
fn forged(request: &[u8]) -> anyhow::Result<Vec<u8>> {
    const TAIL: usize = 20;
    let kept = request.len().checked_sub(TAIL).context("a request without a signature")?;
    let (kept, _) = request.split_at(kept);
    Ok([kept, &[b'A'; TAIL]].concat())
}
