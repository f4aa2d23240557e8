//! The registered types of `authorization_details` (RFC 9396 §2): what each may say, and which
//! permissions that needs.
//!
//! A detail names exactly what it is for: nothing in it is a pattern. Fields that a type does not
//! have are refused, or a client could believe that one binds. `schemas/` has the same as JSON
//! Schemas, for people and their tools.

use marque_domain::{Effect, Service};
use marque_wire::oauth::{AuthorizationDetail, AuthorizationDetails, ErrorCode, Resource};
use serde_json::{Map, Value};

use super::answer::Refused;

/// One registered type.
pub struct DetailType {
    /// Its name.
    pub name: &'static str,
    /// Its JSON Schema.
    pub schema: &'static str,
    // What it may be for; any of them if empty.
    actions: &'static [&'static str],
    // Its own fields.
    fields: &'static [&'static str],
}

/// All of them.
pub const TYPES: [DetailType; 4] = [
    DetailType {
        name: "mcp_tool_call",
        schema: include_str!("../../schemas/mcp_tool_call.json"),
        actions: &["tools/call"],
        fields: &["constraints"],
    },
    DetailType {
        name: "git_push",
        schema: include_str!("../../schemas/git_push.json"),
        actions: &["git.push", "git.delete"],
        fields: &["refs"],
    },
    DetailType {
        name: "http_operation",
        schema: include_str!("../../schemas/http_operation.json"),
        actions: &["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"],
        fields: &[],
    },
    DetailType {
        name: "sql",
        schema: include_str!("../../schemas/sql.json"),
        actions: &["select", "insert", "update", "delete"],
        fields: &[],
    },
];

/// Most constraints of one detail, and the longest of them.
const CONSTRAINTS_MAX: usize = 16;
const CONSTRAINT_MAX_BYTES: usize = 256;

/// What the details come to at a service, each effect once.
pub(super) fn effects(
    details: &AuthorizationDetails,
    (service, audience): (Service, &Resource),
) -> Result<Vec<Effect>, Refused> {
    let mut effects = Vec::new();
    for detail in details.as_slice() {
        for effect in of_detail(detail, (service, audience)).map_err(refused)? {
            if !effects.contains(&effect) {
                effects.push(effect);
            }
        }
    }
    Ok(effects)
}

fn of_detail(
    detail: &AuthorizationDetail,
    (service, audience): (Service, &Resource),
) -> Result<Vec<Effect>, &'static str> {
    let kind = TYPES.iter().find(|kind| kind.name == detail.kind);
    let kind = kind.ok_or("a detail is of a type that is not registered here")?;
    if detail.fields.keys().any(|field| !kind.fields.contains(&field.as_str())) {
        return Err("a detail has a field that its type does not have");
    }
    if !detail.datatypes.is_empty() || !detail.privileges.is_empty() {
        return Err("a detail has `datatypes` or `privileges`, which its type does not have");
    }
    if detail.locations.iter().any(|location| location != audience.as_str()) {
        return Err("a detail is for another location than the token");
    }
    if detail.actions.is_empty() {
        return Err("a detail has no `actions`");
    }
    if detail.actions.iter().any(|action| !kind.actions.contains(&action.as_str())) {
        return Err("a detail has an action that its type does not have");
    }
    let identifier = detail.identifier.as_deref().ok_or("a detail has no `identifier`")?;
    let resources = resources(kind, detail, identifier)?;
    let mut effects = Vec::new();
    for action in &detail.actions {
        let name = if kind.name == "mcp_tool_call" { "tool.call" } else { action };
        let known = service.operation(name).ok_or("the resource knows no such operation")?;
        for resource in &resources {
            let mut parts = known.parts.iter().zip(resource);
            if known.parts.len() != resource.len()
                || parts.any(|(part, text)| part.check(text).is_err())
            {
                return Err("a detail does not name what it is for in its one spelling");
            }
            let effect = Effect {
                name: known.name.to_owned(),
                class: known.class,
                resource: resource.clone(),
            };
            effects.push(effect);
        }
    }
    Ok(effects)
}

// What each action is done to.
fn resources(
    kind: &DetailType,
    detail: &AuthorizationDetail,
    identifier: &str,
) -> Result<Vec<Vec<String>>, &'static str> {
    let refs = match detail.fields.get("refs") {
        None if kind.name == "git_push" => return Err("a `git_push` has no `refs`"),
        None => Vec::new(),
        Some(refs) => texts(refs).ok_or("`refs` is not a list of texts")?,
    };
    if let Some(constraints) = detail.fields.get("constraints") {
        must_be_constraints(constraints)?;
    }
    let is_vague = |text: &str| text.contains('*') || text.is_empty();
    if is_vague(identifier) || refs.iter().any(|one| is_vague(one)) {
        return Err("a detail has a pattern: name exactly what it is for");
    }
    if kind.name == "git_push" {
        return Ok(refs.into_iter().map(|one| vec![identifier.to_owned(), one]).collect());
    }
    Ok(vec![vec![identifier.to_owned()]])
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let list = value.as_array().filter(|list| (1..=32).contains(&list.len()))?;
    list.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}

// Flat: a name, and a text, a number or a truth value.
fn must_be_constraints(value: &Value) -> Result<(), &'static str> {
    let wrong = "`constraints` is not a short object of texts, numbers and truth values";
    let members = value.as_object().filter(|members| members.len() <= CONSTRAINTS_MAX);
    let is_plain = |value: &Value| match value {
        Value::String(text) => text.len() <= CONSTRAINT_MAX_BYTES,
        Value::Number(_) | Value::Bool(_) => true,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    };
    let holds = members.is_some_and(|members| members.values().all(is_plain));
    if holds { Ok(()) } else { Err(wrong) }
}

/// Whether each detail of `asked` is inside one of `held`: the same type, at most its actions and
/// refs, exactly its identifier, and every constraint kept. What cannot be compared is not inside.
pub(super) fn are_within(asked: &AuthorizationDetails, held: &AuthorizationDetails) -> bool {
    asked.as_slice().iter().all(|one| held.as_slice().iter().any(|other| is_within(one, other)))
}

fn is_within(asked: &AuthorizationDetail, held: &AuthorizationDetail) -> bool {
    let refs = |detail: &AuthorizationDetail| {
        detail.fields.get("refs").and_then(texts).unwrap_or_default()
    };
    let held_refs = refs(held);
    asked.kind == held.kind
        && asked.identifier == held.identifier
        && (held.locations.is_empty() || asked.locations == held.locations)
        && asked.actions.iter().all(|action| held.actions.contains(action))
        && refs(asked).iter().all(|one| held_refs.contains(one))
        && constraints(held).iter().all(|(name, bound)| {
            constraints(asked).get(name).is_some_and(|value| keeps(name, value, bound))
        })
}

fn constraints(detail: &AuthorizationDetail) -> Map<String, Value> {
    let constraints = detail.fields.get("constraints").and_then(Value::as_object);
    constraints.cloned().unwrap_or_default()
}

// Equal, or a whole number that is no larger under a name that says it is a maximum.
fn keeps(name: &str, value: &Value, bound: &Value) -> bool {
    if value == bound {
        return true;
    }
    match (value.as_u64(), bound.as_u64()) {
        (Some(value), Some(bound)) => name.starts_with("max_") && value <= bound,
        _ => false,
    }
}

fn refused(description: &'static str) -> Refused {
    Refused::of(ErrorCode::InvalidAuthorizationDetails, description)
}
