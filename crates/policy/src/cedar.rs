//! Cedar: a brief as Cedar's request and entities.

use std::collections::{HashMap, HashSet};
use std::fmt;

use cedar_policy::{
    Context, Entities, Entity, EntityTypeName, EntityUid, Request, RestrictedExpression,
};
use marque_domain::operation::BodyKind;
use marque_domain::{Service, TrustLevel};

use crate::asked::Fact;
use crate::brief::Brief;
use crate::facts::BadFacts;
use crate::schema::{uid, vocabulary};

fn cedar(error: impl fmt::Display) -> BadFacts {
    BadFacts::Cedar(error.to_string())
}

impl Brief<'_> {
    /// The request and the entities it comes to. Unchecked against the schema, because that costs
    /// more than the decision; `facts_of_every_kind_fit_the_schema` checks what is built here.
    pub(crate) fn for_cedar(&self) -> Result<(Request, Entities), BadFacts> {
        let words = vocabulary();
        let (_, action) = self.action;
        let principal = uid(&words.agent, self.agent);
        let connection = uid(&words.connection, self.connection);
        let resource =
            uid(&words.resource, &format!("{} {}", self.connection, self.parts.join(" ")));
        // What has neither attributes nor parents is in nothing, there or not.
        let bare = [
            entity(&principal, self.agent_attributes(), None)?,
            entity(&connection, self.connection_attributes(), None)?,
        ];
        let bare = bare.into_iter().flatten();
        let attributes = self.resource_attributes(&connection);
        let whole = entity(&resource, attributes, Some(&connection))?;
        // To add to what is closed already is half the work of closing it all anew.
        let entities = action.entities.clone().add_entities(bare.chain(whole), None);
        let records = [
            (Fact::Now, self.now()?),
            (Fact::Run, self.run()?),
            (Fact::Trust, self.trust()?),
            (Fact::Operation, self.operation()?),
        ];
        let records = records.into_iter().filter_map(|(fact, record)| Some(field(fact, record?)));
        let context = Context::from_pairs(records).map_err(cedar)?;
        let request = Request::new(principal, action.uid.clone(), resource, context, None);
        Ok((request.map_err(cedar)?, entities.map_err(cedar)?))
    }

    /// The same, checked against the schema.
    #[cfg(test)]
    pub(crate) fn checked(&self) -> Result<(), BadFacts> {
        let (request, entities) = self.for_cedar()?;
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

    fn agent_attributes(&self) -> Fields {
        told([
            (Fact::Name, self.is_about(Fact::Name).then(|| string(self.agent))),
            (Fact::Owner, self.owner.map(|owner| named(&vocabulary().user, owner))),
            (Fact::Purpose, self.purpose.map(string)),
        ])
    }

    fn connection_attributes(&self) -> Fields {
        let service = |service: Service| named(&vocabulary().service, &service.to_string());
        told([
            (Fact::Name, self.is_about(Fact::Name).then(|| string(self.connection))),
            (Fact::Service, self.service.map(service)),
        ])
    }

    fn resource_attributes(&self, connection: &EntityUid) -> Fields {
        let parts = self.parts;
        // threat 116: policies only take away, so they are shown what a server may take it for.
        let name = || parts.get(1).map_or_else(String::new, |part| part.to_ascii_lowercase());
        let is = |fact| self.is_about(fact);
        let connection = || RestrictedExpression::new_entity_uid(connection.clone());
        let all = || RestrictedExpression::new_set(parts.iter().map(|part| string(part)));
        told([
            (Fact::Connection, is(Fact::Connection).then(connection)),
            (Fact::Path, is(Fact::Path).then(|| string(parts.first().map_or("", String::as_str)))),
            (Fact::Name, is(Fact::Name).then(|| string(&name()))),
            (Fact::Parts, is(Fact::Parts).then(all)),
            (Fact::Host, self.host.map(string)),
            (Fact::Port, self.port.map(|port| RestrictedExpression::new_long(port.into()))),
        ])
    }

    fn now(&self) -> Result<Option<RestrictedExpression>, BadFacts> {
        self.record(
            Fact::Now,
            [
                (Fact::Hour, self.hour.map(long)),
                (Fact::Weekday, self.weekday.map(long)),
                (Fact::EpochSecs, self.epoch_secs.map(long)),
            ],
        )
    }

    fn run(&self) -> Result<Option<RestrictedExpression>, BadFacts> {
        let words = vocabulary();
        let user = |name: &str| named(&words.user, name);
        self.record(
            Fact::Run,
            [
                (Fact::Task, self.task.map(string)),
                (Fact::Tier, self.tier.map(|tier| named(&words.tier, &tier.to_string()))),
                (Fact::Delegated, self.delegated.map(RestrictedExpression::new_bool)),
                (Fact::Depth, self.depth.map(long)),
                (Fact::OpenedBy, self.opened_by.map(user)),
                (Fact::OnBehalfOf, self.on_behalf_of.map(user)),
            ],
        )
    }

    fn trust(&self) -> Result<Option<RestrictedExpression>, BadFacts> {
        let level = |level: TrustLevel| named(&vocabulary().trust_level, level.word());
        self.record(
            Fact::Trust,
            [
                (Fact::Score, self.score.map(|score| long(score.into()))),
                (Fact::Level, self.level.map(level)),
            ],
        )
    }

    fn operation(&self) -> Result<Option<RestrictedExpression>, BadFacts> {
        let body = |kind| {
            let word = match kind {
                BodyKind::Empty => "empty",
                BodyKind::Streamed => "streamed",
                BodyKind::Bound => "bound",
                BodyKind::Read => "read",
            };
            named(&vocabulary().body, word)
        };
        self.record(
            Fact::Operation,
            [
                (Fact::Scheme, self.scheme.map(string)),
                (Fact::HasQuery, self.has_query.map(RestrictedExpression::new_bool)),
                (Fact::Body, self.body.map(body)),
            ],
        )
    }

    /// A record of the context; none where it is not asked about.
    fn record<const N: usize>(
        &self,
        whole: Fact,
        fields: [Field; N],
    ) -> Result<Option<RestrictedExpression>, BadFacts> {
        if !self.is_about(whole) {
            return Ok(None);
        }
        RestrictedExpression::new_record(told(fields)).map(Some).map_err(cedar)
    }

    fn is_about(&self, fact: Fact) -> bool {
        self.asked.is_about(fact)
    }
}

/// A fact, if it is told.
type Field = (Fact, Option<RestrictedExpression>);
type Fields = HashMap<String, RestrictedExpression>;

fn told<const N: usize>(fields: [Field; N]) -> Fields {
    fields.into_iter().filter_map(|(fact, value)| Some(field(fact, value?))).collect()
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

fn field(fact: Fact, value: RestrictedExpression) -> (String, RestrictedExpression) {
    (fact.word().to_owned(), value)
}

fn string(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

fn long(number: i64) -> RestrictedExpression {
    RestrictedExpression::new_long(number)
}

fn named(type_name: &EntityTypeName, id: &str) -> RestrictedExpression {
    RestrictedExpression::new_entity_uid(uid(type_name, id))
}
