//! Facts: what one decision knows, as typed values.
//!
//! Nothing secret goes in: of a query only whether there is one, of a body only its kind, of
//! headers nothing. So no policy and no error message can carry one out.

use marque_domain::{
    Agent, Class, Connection, EffectRef, Operation, Run, Timestamp, TrustScore, UserName,
};

use crate::schema::{Action, vocabulary};

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
}
