//! Issuers that say who a person is: registering and removing them.

use std::collections::BTreeMap;
use std::sync::Arc;

use marque_crypto::hash::sha256;
use marque_domain::issuer::{KeySource, TrustedIssuer};
use marque_domain::{Name, User, Verb};

use super::clients::read_keys;
use super::{Detailed, changed};
use crate::caller::Acting;
use crate::error::{AdminError, AdminKind};
use crate::failure::Failure;
use crate::issuer_keys::{self, Found};
use crate::plane::Plane;
use crate::spec::IssuerSpec;
use crate::step::Step;
use crate::view::IssuerView;
use crate::world::{KeyPlace, World};

/// Most people one issuer names.
const PEOPLE_MAX: usize = 10_000;

impl Plane {
    /// Trusts an issuer to say who those people are.
    pub async fn add_issuer(
        &self,
        who: &Acting<User>,
        spec: IssuerSpec,
    ) -> Result<IssuerView, AdminError> {
        let given = Given { issuer: &spec.issuer, jwks: &spec.jwks, source: spec.source.as_ref() };
        let keys = self.keys_given(given).await?;
        if spec.people.is_empty() || spec.people.len() > PEOPLE_MAX {
            let message = format!("an issuer names 1 to {PEOPLE_MAX} people");
            return Err(AdminError::new(AdminKind::Invalid, message)
                .hint("say who is whom: `--person SUBJECT=USER`"));
        }
        let (by, plane) = (Self::by(who), self.clone());
        self.change(who, move |step| {
            if trusted(step.world).any(|one| one.issuer == spec.issuer || one.name == spec.name) {
                let message = format!("`{}` or its name is trusted already", spec.issuer);
                return Err(AdminError::new(AdminKind::Conflict, message));
            }
            let mut people = BTreeMap::new();
            for (subject, name) in &spec.people {
                let user = step.world.user_named(name).filter(|user| user.fact.is_live());
                let not_found = || AdminError::not_found("user", name.as_str(), "marque whoami");
                people.insert(subject.clone(), user.ok_or_else(not_found)?.fact.id);
            }
            keys.put(step)?;
            let issuer = step.save(TrustedIssuer {
                id: step.id(),
                name: spec.name.clone(),
                issuer: spec.issuer.clone(),
                audience: spec.audience.clone(),
                jwks: keys.jwks.clone(),
                source: spec.source.clone(),
                naming: spec.naming,
                people,
                added_by: by.id,
                added_at: step.now,
                is_removed: false,
            })?;
            let label = &issuer.fact.name;
            let entry = changed(Verb::IssuerAdded, &by, Some(issuer.reference()), label);
            let entry = entry.detail("issuer", &spec.issuer).detail("people", spec.people.len());
            let entry = entry.detail("keys", keys.told());
            step.append(entry.event())?;
            Ok(plane.show(step.world).issuer(&issuer.fact))
        })
        .await
    }

    /// The keys of an issuer, as a human gave them or as it publishes them now.
    pub(super) async fn keys_given(&self, given: Given<'_>) -> Result<KeysGiven, AdminError> {
        let Given { issuer, jwks, source } = given;
        match source {
            None => Ok(KeysGiven { jwks: read_keys(jwks)?, published: None }),
            Some(_) if !jwks.is_empty() => {
                let message = "keys are given, or asked for where they are published: not both";
                Err(AdminError::new(AdminKind::Invalid, message))
            }
            Some(source) => {
                let place = KeyPlace { issuer: issuer.to_owned(), source: source.clone() };
                let found = self.first_keys(&place).await?;
                Ok(KeysGiven { jwks: String::new(), published: Some((place, found)) })
            }
        }
    }

    /// One issuer that is trusted, by name or id.
    pub fn issuer_named(&self, _who: &Acting<User>, which: &str) -> Result<IssuerView, AdminError> {
        let world = self.world();
        Ok(self.show(&world).issuer(&find(&world, which)?))
    }

    /// Every issuer that is trusted, by name.
    pub fn issuers(&self, _who: &Acting<User>) -> Result<Vec<IssuerView>, AdminError> {
        let world = self.world();
        let show = self.show(&world);
        let mut issuers: Vec<_> = trusted(&world).map(|issuer| show.issuer(issuer)).collect();
        issuers.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(issuers)
    }

    /// Trusts an issuer no more. Runs that were opened by its word go on until they end.
    pub async fn remove_issuer(
        &self,
        who: &Acting<User>,
        which: &str,
    ) -> Result<IssuerView, AdminError> {
        let (by, plane, which) = (Self::by(who), self.clone(), which.to_owned());
        self.change(who, move |step| {
            let issuer = find(step.world, &which)?;
            let issuer = step.save(TrustedIssuer { is_removed: true, ..issuer })?;
            let label = &issuer.fact.name;
            let entry = changed(Verb::IssuerRemoved, &by, Some(issuer.reference()), label);
            step.append(entry.event())?;
            Ok(plane.show(step.world).issuer(&issuer.fact))
        })
        .await
    }
}

/// What a human said of the keys of an issuer.
pub(super) struct Given<'a> {
    pub(super) issuer: &'a str,
    pub(super) jwks: &'a str,
    pub(super) source: Option<&'a KeySource>,
}

/// The keys of an issuer that a human is about to trust.
pub(super) struct KeysGiven {
    /// As they are kept with who relies on them; empty where they are published.
    pub(super) jwks: String,
    published: Option<(KeyPlace, Arc<Found>)>,
}

impl KeysGiven {
    /// Keeps what was published.
    pub(super) fn put(&self, step: &mut Step<'_, '_>) -> Result<(), Failure> {
        let published = self.published.as_ref();
        published.map_or(Ok(()), |(place, found)| issuer_keys::put(step, place, found))
    }

    /// What the log says of them.
    pub(super) fn told(&self) -> String {
        match &self.published {
            Some((_, found)) => found.from.clone(),
            None => sha256(self.jwks.as_bytes()).to_string(),
        }
    }
}

/// No issuer is trusted any more.
pub(crate) fn remove_all(step: &mut Step<'_, '_>) -> Result<(), Failure> {
    let mut all: Vec<_> = trusted(step.world).cloned().collect();
    all.sort_unstable_by_key(|issuer| issuer.id);
    for issuer in all {
        step.save(TrustedIssuer { is_removed: true, ..issuer })?;
    }
    Ok(())
}

/// The issuers that are trusted.
pub(crate) fn trusted(world: &World) -> impl Iterator<Item = &TrustedIssuer> {
    world.issuers.all().map(|issuer| &issuer.fact).filter(|issuer| !issuer.is_removed)
}

fn find(world: &World, which: &str) -> Result<TrustedIssuer, AdminError> {
    let name: Option<Name> = which.parse().ok();
    let is_meant = |issuer: &&TrustedIssuer| {
        Some(&issuer.name) == name.as_ref() || issuer.id.to_string() == which
    };
    let found = trusted(world).find(is_meant).cloned();
    found.ok_or_else(|| AdminError::not_found("issuer", which, "marque issuer list"))
}
