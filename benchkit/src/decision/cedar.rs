//! The floor: Cedar's bare `is_authorized` over the eight policies that match, request and entities
//! made beforehand.

use anyhow::{anyhow, ensure};
use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request};

use super::rules::MATCHING;

const BASE: &str = "permit(principal, action, resource);";

/// One question, and what it is put to.
pub(super) struct Floor {
    policies: PolicySet,
    entities: Entities,
    request: Request,
}

impl Floor {
    pub(super) fn lay() -> anyhow::Result<Self> {
        let policies = MATCHING.join("\n") + "\n" + BASE;
        let entities = serde_json::json!([
            { "uid": of("Agent", "agent-7"), "parents": [],
              "attrs": { "name": "agent-7", "purpose": "looks after items",
                         "owner": { "__entity": of("User", "alice") } } },
            { "uid": of("Connection", "api"), "parents": [],
              "attrs": { "name": "api", "service": { "__entity": of("Service", "http") } } },
            { "uid": of("Resource", "api /v1/items/7"), "parents": [of("Connection", "api")],
              "attrs": { "connection": { "__entity": of("Connection", "api") },
                         "path": "/v1/items/7", "name": "", "parts": ["/v1/items/7"],
                         "host": "api.test", "port": 443 } },
            { "uid": of("Action", "http:GET"), "attrs": {},
              "parents": [of("Action", "read"), of("Action", "http")] },
        ]);
        let context = serde_json::json!({
            "now": { "hour": 12, "weekday": 4, "epoch_secs": 1_767_268_800 },
            "run": { "task": "ticket:OPS-12", "tier": { "__entity": of("Tier", "captured") },
                     "delegated": false, "depth": 1,
                     "opened_by": { "__entity": of("User", "alice") } },
            "trust": { "score": 90, "level": { "__entity": of("TrustLevel", "trusted") } },
            "operation": { "scheme": "https", "has_query": false,
                           "body": { "__entity": of("Body", "empty") } },
        });
        let uid = |kind: &str, id: &str| -> anyhow::Result<EntityUid> {
            Ok(format!("Marque::{kind}::\"{id}\"").parse()?)
        };
        let request = Request::new(
            uid("Agent", "agent-7")?,
            uid("Action", "http:GET")?,
            uid("Resource", "api /v1/items/7")?,
            Context::from_json_value(context, None)?,
            None,
        )?;
        let floor = Self {
            policies: policies.parse().map_err(|error| anyhow!("{error}"))?,
            entities: Entities::from_json_value(entities, None)?,
            request,
        };
        ensure!(floor.allows(), "the floor refuses what the road lets pass");
        Ok(floor)
    }

    pub(super) fn allows(&self) -> bool {
        let answer = Authorizer::new().is_authorized(&self.request, &self.policies, &self.entities);
        answer.decision() == Decision::Allow && answer.diagnostics().errors().next().is_none()
    }
}

fn of(kind: &str, id: &str) -> serde_json::Value {
    serde_json::json!({ "type": format!("Marque::{kind}"), "id": id })
}
