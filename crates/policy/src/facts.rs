//! Facts: what one decision knows, as Cedar's request and entities, from typed values.
//!
//! Nothing secret goes in: of a query only whether there is one, of a body only its kind, of
//! headers nothing. So no policy and no error message can carry one out.

use std::collections::{HashMap, HashSet};
use std::fmt;

use cedar_policy::{
    Context, Entities, Entity, EntityTypeName, EntityUid, Request, RestrictedExpression,
};
use marque_domain::{
    Agent, Body, Class, Connection, EffectRef, Operation, Run, Timestamp, TrustScore, UserName,
};

use crate::schema::{Action, uid, vocabulary};

/// Everything policies may speak of, for one effect of an operation.
#[derive(Debug, Clone, Copy)]
pub struct PolicyFacts<'a> {
    /// Who acts.
    pub agent: &'a Agent,
    /// Its owner's name.
    pub owner: &'a UserName,
    /// In which run.
    pub run: &'a Run,
    /// The name of the human who opened it.
    pub opened_by: &'a UserName,
    /// The name of the person it acts for; `None` exactly if its chain has none.
    pub on_behalf_of: Option<&'a UserName>,
    /// Through what.
    pub connection: &'a Connection,
    /// By which request.
    pub operation: &'a Operation,
    /// To do what: one of its effects.
    pub effect: EffectRef<'a>,
    /// How far it is trusted.
    pub trust: &'a TrustScore,
    /// When. Policies see it in UTC.
    pub now: Timestamp,
}

/// Why facts cannot be put before the policies.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadFacts {
    #[error("`{0}` is not an operation policies know")]
    UnknownOperation(String),
    #[error("`{name}` was recognised as {found}, but policies know it as {known}")]
    OtherClass { name: String, found: Class, known: Class },
    #[error("the run and the facts disagree on whether it acts for a person")]
    OtherPerson,
    #[error("the facts do not fit the schema of policies: {0}")]
    Cedar(String),
}

fn cedar(error: impl fmt::Display) -> BadFacts {
    BadFacts::Cedar(error.to_string())
}

impl PolicyFacts<'_> {
    /// The action asked for, and its place in the vocabulary.
    pub(crate) fn action(&self) -> Result<(usize, &'static Action), BadFacts> {
        let (service, effect) = (self.operation.service, self.effect);
        let name = || format!("{service}:{}", effect.name);
        let (place, action) = vocabulary()
            .action(service, effect.name)
            .ok_or_else(|| BadFacts::UnknownOperation(name()))?;
        // Policies on a group match by the vocabulary's class. Were the effect of another one, a
        // policy on that other group would silently not match.
        if action.class != effect.class {
            let (found, known) = (effect.class, action.class);
            return Err(BadFacts::OtherClass { name: name(), found, known });
        }
        if self.on_behalf_of.is_some() != self.run.chain.on_behalf_of.is_some() {
            return Err(BadFacts::OtherPerson);
        }
        Ok((place, action))
    }

    /// The request and the entities for `action`. Unchecked against the schema, because that costs
    /// more than the decision; `facts_of_every_kind_fit_the_schema`
    /// checks what is built here.
    pub(crate) fn for_cedar(&self, action: &Action) -> Result<(Request, Entities), BadFacts> {
        let words = vocabulary();
        let principal = uid(&words.agent, self.agent.name.as_str());
        let connection = uid(&words.connection, self.connection.name.as_str());
        let parts = self.effect.resource.join(" ");
        let resource = uid(&words.resource, &format!("{} {parts}", self.connection.name));
        let entities = [
            entity(&principal, self.agent_attributes(), None)?,
            entity(&connection, self.connection_attributes(), None)?,
            entity(&resource, self.resource_attributes(&connection), Some(&connection))?,
        ];
        // To add to what is closed already is half the work of closing it all anew.
        let entities = action.entities.clone().add_entities(entities, None).map_err(cedar)?;
        let context = Context::from_pairs([
            field("now", self.now()?),
            field("run", self.run()?),
            field("trust", self.trust()?),
            field("operation", self.operation()?),
        ])
        .map_err(cedar)?;
        let request = Request::new(principal, action.uid.clone(), resource, context, None);
        Ok((request.map_err(cedar)?, entities))
    }

    /// The same, checked against the schema.
    #[cfg(test)]
    pub(crate) fn checked(&self, action: &Action) -> Result<(), BadFacts> {
        let (request, entities) = self.for_cedar(action)?;
        let schema = crate::schema::schema();
        let context = request.context().cloned().unwrap_or_else(Context::empty);
        let parts = (request.principal(), request.action(), request.resource());
        let (Some(principal), Some(action), Some(resource)) = parts else {
            return Err(cedar("the request lacks a part"));
        };
        let (principal, action, resource) = (principal.clone(), action.clone(), resource.clone());
        Entities::from_entities(entities, Some(schema)).map_err(cedar)?;
        Request::new(principal, action, resource, context, Some(schema)).map_err(cedar)?;
        Ok(())
    }

    fn agent_attributes(&self) -> [(String, RestrictedExpression); 3] {
        [
            field("name", string(self.agent.name.as_str())),
            field("owner", named(&vocabulary().user, self.owner.as_str())),
            field("purpose", string(&self.agent.purpose)),
        ]
    }

    fn connection_attributes(&self) -> [(String, RestrictedExpression); 2] {
        let service = named(&vocabulary().service, &self.connection.service.to_string());
        [field("name", string(self.connection.name.as_str())), field("service", service)]
    }

    fn resource_attributes(&self, connection: &EntityUid) -> [(String, RestrictedExpression); 6] {
        let parts = self.effect.resource;
        let all = RestrictedExpression::new_set(parts.iter().map(|part| string(part)));
        let endpoint = &self.operation.endpoint;
        // threat 116: policies only take away, so they are shown what a server may take it for.
        let name = parts.get(1).map_or_else(String::new, |part| part.to_ascii_lowercase());
        [
            field("connection", RestrictedExpression::new_entity_uid(connection.clone())),
            field("path", string(parts.first().map_or("", String::as_str))),
            field("name", string(&name)),
            field("parts", all),
            field("host", string(&endpoint.host)),
            field("port", RestrictedExpression::new_long(endpoint.port.into())),
        ]
    }

    fn now(&self) -> Result<RestrictedExpression, BadFacts> {
        let secs = i64::try_from(self.now.as_millis() / 1_000).map_err(cedar)?;
        // 1970-01-01 was a Thursday, the fourth day of the week (ISO 8601).
        let weekday = (secs / 86_400 + 3) % 7 + 1;
        record([
            field("hour", RestrictedExpression::new_long(secs / 3_600 % 24)),
            field("weekday", RestrictedExpression::new_long(weekday)),
            field("epoch_secs", RestrictedExpression::new_long(secs)),
        ])
    }

    fn run(&self) -> Result<RestrictedExpression, BadFacts> {
        let words = vocabulary();
        let depth = i64::try_from(self.run.chain.actors.len()).map_err(cedar)?;
        let person = self.on_behalf_of.map(|person| named(&words.user, person.as_str()));
        let fields = [
            field("task", string(self.run.task.as_str())),
            field("tier", named(&words.tier, &self.run.tier.to_string())),
            field("delegated", RestrictedExpression::new_bool(person.is_some())),
            field("depth", RestrictedExpression::new_long(depth)),
            field("opened_by", named(&words.user, self.opened_by.as_str())),
        ];
        record(fields.into_iter().chain(person.map(|person| field("on_behalf_of", person))))
    }

    fn trust(&self) -> Result<RestrictedExpression, BadFacts> {
        record([
            field("score", RestrictedExpression::new_long(self.trust.score.into())),
            field("level", named(&vocabulary().trust_level, self.trust.level.word())),
        ])
    }

    fn operation(&self) -> Result<RestrictedExpression, BadFacts> {
        let body = match self.operation.body {
            Body::Empty => "empty",
            Body::Streamed => "streamed",
            Body::Bound => "bound",
            Body::Read { .. } => "read",
        };
        let has_query = self.operation.parameters.contains_key("query");
        record([
            field("scheme", string(&self.operation.scheme)),
            field("has_query", RestrictedExpression::new_bool(has_query)),
            field("body", named(&vocabulary().body, body)),
        ])
    }
}

fn entity<const N: usize>(
    uid: &EntityUid,
    attributes: [(String, RestrictedExpression); N],
    parent: Option<&EntityUid>,
) -> Result<Entity, BadFacts> {
    let parents: HashSet<EntityUid> = parent.into_iter().cloned().collect();
    Entity::new(uid.clone(), HashMap::from(attributes), parents).map_err(cedar)
}

fn record(
    fields: impl IntoIterator<Item = (String, RestrictedExpression)>,
) -> Result<RestrictedExpression, BadFacts> {
    RestrictedExpression::new_record(fields).map_err(cedar)
}

fn field(name: &str, value: RestrictedExpression) -> (String, RestrictedExpression) {
    (name.to_owned(), value)
}

fn string(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

fn named(type_name: &EntityTypeName, id: &str) -> RestrictedExpression {
    RestrictedExpression::new_entity_uid(uid(type_name, id))
}
