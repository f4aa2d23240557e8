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

use crate::asked::{Asked, Fact};
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

    /// The request and the entities for `action`, with the facts that are `asked` about. Unchecked
    /// against the schema, because that costs more than the decision;
    /// `facts_of_every_kind_fit_the_schema` checks what is built here.
    pub(crate) fn for_cedar(
        &self,
        action: &Action,
        asked: Asked,
    ) -> Result<(Request, Entities), BadFacts> {
        let words = vocabulary();
        let principal = uid(&words.agent, self.agent.name.as_str());
        let connection = uid(&words.connection, self.connection.name.as_str());
        let parts = self.effect.resource.join(" ");
        let resource = uid(&words.resource, &format!("{} {parts}", self.connection.name));
        // What has neither attributes nor parents is in nothing, there or not.
        let bare = [
            entity(&principal, self.agent_attributes(asked), None)?,
            entity(&connection, self.connection_attributes(asked), None)?,
        ];
        let bare = bare.into_iter().flatten();
        let attributes = self.resource_attributes(asked, &connection);
        let whole = entity(&resource, attributes, Some(&connection))?;
        // To add to what is closed already is half the work of closing it all anew.
        let entities = action.entities.clone().add_entities(bare.chain(whole), None);
        let records = [
            (Fact::Now, self.now(asked)?),
            (Fact::Run, self.run(asked)?),
            (Fact::Trust, self.trust(asked)?),
            (Fact::Operation, self.operation(asked)?),
        ];
        let records = records.into_iter().filter_map(|(fact, record)| Some(field(fact, record?)));
        let context = Context::from_pairs(records).map_err(cedar)?;
        let request = Request::new(principal, action.uid.clone(), resource, context, None);
        Ok((request.map_err(cedar)?, entities.map_err(cedar)?))
    }

    /// The same, checked against the schema.
    #[cfg(test)]
    pub(crate) fn checked(&self, action: &Action) -> Result<(), BadFacts> {
        let (request, entities) = self.for_cedar(action, Asked::EVERYTHING)?;
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

    fn agent_attributes(&self, asked: Asked) -> Fields {
        let fields: [Choice<'_>; 3] = [
            (Fact::Name, &|| string(self.agent.name.as_str())),
            (Fact::Owner, &|| named(&vocabulary().user, self.owner.as_str())),
            (Fact::Purpose, &|| string(&self.agent.purpose)),
        ];
        chosen(asked, fields)
    }

    fn connection_attributes(&self, asked: Asked) -> Fields {
        let service = || named(&vocabulary().service, &self.connection.service.to_string());
        let name = || string(self.connection.name.as_str());
        let fields: [Choice<'_>; 2] = [(Fact::Name, &name), (Fact::Service, &service)];
        chosen(asked, fields)
    }

    fn resource_attributes(&self, asked: Asked, connection: &EntityUid) -> Fields {
        let parts = self.effect.resource;
        let endpoint = &self.operation.endpoint;
        // threat 116: policies only take away, so they are shown what a server may take it for.
        let name = || parts.get(1).map_or_else(String::new, |part| part.to_ascii_lowercase());
        let fields: [Choice<'_>; 6] = [
            (Fact::Connection, &|| RestrictedExpression::new_entity_uid(connection.clone())),
            (Fact::Path, &|| string(parts.first().map_or("", String::as_str))),
            (Fact::Name, &|| string(&name())),
            (Fact::Parts, &|| RestrictedExpression::new_set(parts.iter().map(|part| string(part)))),
            (Fact::Host, &|| string(&endpoint.host)),
            (Fact::Port, &|| RestrictedExpression::new_long(endpoint.port.into())),
        ];
        chosen(asked, fields)
    }

    fn now(&self, asked: Asked) -> Result<Option<RestrictedExpression>, BadFacts> {
        let secs = i64::try_from(self.now.as_millis() / 1_000).map_err(cedar)?;
        // 1970-01-01 was a Thursday, the fourth day of the week (ISO 8601).
        let weekday = (secs / 86_400 + 3) % 7 + 1;
        let fields: [Choice<'_>; 3] = [
            (Fact::Hour, &|| RestrictedExpression::new_long(secs / 3_600 % 24)),
            (Fact::Weekday, &|| RestrictedExpression::new_long(weekday)),
            (Fact::EpochSecs, &|| RestrictedExpression::new_long(secs)),
        ];
        record(asked, Fact::Now, fields)
    }

    fn run(&self, asked: Asked) -> Result<Option<RestrictedExpression>, BadFacts> {
        let words = vocabulary();
        let depth = i64::try_from(self.run.chain.actors.len()).map_err(cedar)?;
        let person = self.on_behalf_of;
        let behalf = person.map(|person| move || named(&words.user, person.as_str()));
        let behalf = behalf.as_ref().map(|name| (Fact::OnBehalfOf, name as Make<'_>));
        let fields: [Choice<'_>; 5] = [
            (Fact::Task, &|| string(self.run.task.as_str())),
            (Fact::Tier, &|| named(&words.tier, &self.run.tier.to_string())),
            (Fact::Delegated, &|| RestrictedExpression::new_bool(person.is_some())),
            (Fact::Depth, &|| RestrictedExpression::new_long(depth)),
            (Fact::OpenedBy, &|| named(&words.user, self.opened_by.as_str())),
        ];
        record(asked, Fact::Run, fields.into_iter().chain(behalf))
    }

    fn trust(&self, asked: Asked) -> Result<Option<RestrictedExpression>, BadFacts> {
        let fields: [Choice<'_>; 2] = [
            (Fact::Score, &|| RestrictedExpression::new_long(self.trust.score.into())),
            (Fact::Level, &|| named(&vocabulary().trust_level, self.trust.level.word())),
        ];
        record(asked, Fact::Trust, fields)
    }

    fn operation(&self, asked: Asked) -> Result<Option<RestrictedExpression>, BadFacts> {
        let body = match self.operation.body {
            Body::Empty => "empty",
            Body::Streamed => "streamed",
            Body::Bound => "bound",
            Body::Read { .. } => "read",
        };
        let has_query = self.operation.parameters.contains_key("query");
        let fields: [Choice<'_>; 3] = [
            (Fact::Scheme, &|| string(&self.operation.scheme)),
            (Fact::HasQuery, &|| RestrictedExpression::new_bool(has_query)),
            (Fact::Body, &|| named(&vocabulary().body, body)),
        ];
        record(asked, Fact::Operation, fields)
    }
}

/// Spells a fact out, if it is asked about.
type Make<'a> = &'a dyn Fn() -> RestrictedExpression;
type Choice<'a> = (Fact, Make<'a>);
type Fields = HashMap<String, RestrictedExpression>;

fn chosen<'a>(asked: Asked, fields: impl IntoIterator<Item = Choice<'a>>) -> Fields {
    let wanted = fields.into_iter().filter(|(fact, _)| asked.is_about(*fact));
    wanted.map(|(fact, make)| field(fact, make())).collect()
}

/// An entity; none where nothing would be said of it.
fn entity(
    uid: &EntityUid,
    attributes: Fields,
    parent: Option<&EntityUid>,
) -> Result<Option<Entity>, BadFacts> {
    if attributes.is_empty() && parent.is_none() {
        return Ok(None);
    }
    let parents: HashSet<EntityUid> = parent.into_iter().cloned().collect();
    Entity::new(uid.clone(), attributes, parents).map(Some).map_err(cedar)
}

/// A record of the context; none where it is not asked about.
fn record<'a>(
    asked: Asked,
    whole: Fact,
    fields: impl IntoIterator<Item = Choice<'a>>,
) -> Result<Option<RestrictedExpression>, BadFacts> {
    if !asked.is_about(whole) {
        return Ok(None);
    }
    RestrictedExpression::new_record(chosen(asked, fields)).map(Some).map_err(cedar)
}

fn field(fact: Fact, value: RestrictedExpression) -> (String, RestrictedExpression) {
    (fact.word().to_owned(), value)
}

fn string(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

fn named(type_name: &EntityTypeName, id: &str) -> RestrictedExpression {
    RestrictedExpression::new_entity_uid(uid(type_name, id))
}
