//! A token in words: who acts, for whom, within which bounds; and what it does not prove.

use std::fmt::Write as _;

use marque_domain::Timestamp;
use marque_wire::oauth::{
    AccessTokenClaims, AuthorizationDetail, Confirmation, Profile, RunClaim, StatusReference,
};
use serde_json::{Map, Value};

use super::checked::Signature;
use crate::output::Fields;

/// What no token says, whatever was checked of it.
const NOT_PROVEN: &str = "\
What it does not prove:
  that whoever presents it may: they show that with a proof of the bound key, for each request
  that the run is still open: only the issuer knows, and a kill is seen there first
  that the program is the one it says: `made of` is what was declared when it was registered
  that the person wanted this very act: they gave bounds, and the agent acts within them
  that a kind, such as `ai_agent`, is true: it is said by the issuer, and gives no authority";

/// The whole of it.
pub(super) fn explain(claims: &AccessTokenClaims, signature: &Signature, now: Timestamp) -> String {
    let fields = bounds(run(chain(Fields::default(), claims), claims.run.as_ref()), claims, now);
    let fields = fields
        .with("client", &claims.client_id)
        .with("issued by", &claims.iss)
        .with("issued at", claims.iat.timestamp())
        .with("token", &claims.jti)
        .maybe("call tree", claims.txn.as_ref())
        .maybe("status list", claims.status.as_ref().map(place))
        .with("signature", told(signature));
    format!("{}\n{NOT_PROVEN}", fields.text())
}

fn told(signature: &Signature) -> String {
    match signature {
        Signature::Unchecked => "NOT CHECKED: anybody could have written this; give `--issuer` or \
                                 `--jwks`"
            .to_owned(),
        Signature::Holds { key, of } => format!("holds, by the key `{key}` of {of}"),
    }
}

fn place(place: &StatusReference) -> String {
    format!("place {} of {}", place.idx, place.uri)
}

fn chain(fields: Fields, claims: &AccessTokenClaims) -> Fields {
    let subject = party(&claims.sub, claims.sub_profile);
    let Some(act) = &claims.act else {
        return fields.with("who acts", subject).with("for", "nobody else: its own authority");
    };
    let mut actors = act.actors().iter();
    let presenter = actors.next().map(|actor| party(&actor.sub, actor.sub_profile));
    let before = actors.map(|actor| party(&actor.sub, actor.sub_profile));
    fields
        .maybe("who acts", presenter)
        .with("for", format!("{subject}, whose authority is used"))
        .each("through", before)
}

fn party(name: &str, profile: Option<Profile>) -> String {
    match profile {
        Some(profile) => format!("{name} ({})", profile.as_str()),
        None => name.to_owned(),
    }
}

fn run(fields: Fields, run: Option<&RunClaim>) -> Fields {
    let Some(run) = run else { return fields.with("run", "none: it can only run out") };
    let actors = match run.depth {
        1 => "acts as itself".to_owned(),
        depth => format!("{depth} actors in all"),
    };
    fields
        .with("run", format!("{}, {actors}", run.id))
        .maybe("opened by the run", run.parent)
        .with("task", &run.task)
        .with("made of", run.agent_version)
        .with("within", format!("the mandate {}", run.authority_hash))
}

fn bounds(fields: Fields, claims: &AccessTokenClaims, now: Timestamp) -> Fields {
    let scope = claims.scope.names().map(|name| format!("the scope `{name}`"));
    let details = claims.authorization_details.as_slice().iter().map(detail);
    let allowed: Vec<String> = scope.chain(details).collect();
    let nothing = allowed.is_empty().then_some("nothing by itself: it says who comes");
    let bound = match claims.cnf {
        Some(Confirmation::Key(thumbprint)) => format!("the key {thumbprint}, by a DPoP proof"),
        Some(Confirmation::Certificate(thumbprint)) => {
            format!("the certificate {thumbprint}, shown in TLS")
        }
        None => "NOTHING: whoever has it can use it".to_owned(),
    };
    let approvals = claims.run.iter().flat_map(|run| &run.approvals);
    let approvals = approvals.map(|approval| {
        format!("{} of {}, until {}", approval.id, approval.hash, approval.exp.timestamp())
    });
    fields
        .with("at", &claims.aud)
        .each("may", allowed)
        .maybe("may", nothing)
        .with("bound to", bound)
        .with("until", until(claims, now))
        .each("approved by a human", approvals)
}

fn until(claims: &AccessTokenClaims, now: Timestamp) -> String {
    let (begins, ends) = (claims.nbf.timestamp(), claims.exp.timestamp());
    if now >= ends {
        return format!("{ends}: IT IS OVER");
    }
    if now < begins {
        return format!("{ends}, from {begins} on: NOT GOOD YET");
    }
    format!("{ends}, {} seconds from now", ends.since(now).as_secs())
}

/// One detail: what is done, to what, and within which bounds.
fn detail(detail: &AuthorizationDetail) -> String {
    let actions = detail.actions.join(", ");
    let mut told = format!("{actions} {}", detail.identifier.as_deref().unwrap_or("anything"));
    for (name, value) in &detail.fields {
        let _ = write!(told, ", {name} {}", plain(value));
    }
    format!("{told} ({})", detail.kind)
}

fn plain(value: &Value) -> String {
    match value {
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(" "),
        Value::Object(members) => pairs(members),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn pairs(members: &Map<String, Value>) -> String {
    let pairs = members.iter().map(|(name, value)| format!("{name}={}", plain(value)));
    pairs.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
