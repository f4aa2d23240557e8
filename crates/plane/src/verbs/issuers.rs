//! Issuers that say who a person is: registering and removing them.

use std::collections::BTreeMap;

use marque_domain::issuer::TrustedIssuer;
use marque_domain::{Name, User, Verb};

use super::clients::read_keys;
use super::{Detailed, changed};
use crate::caller::Acting;
use crate::error::{AdminError, AdminKind};
use crate::failure::Failure;
use crate::plane::Plane;
use crate::spec::IssuerSpec;
use crate::step::Step;
use crate::view::IssuerView;
use crate::world::World;

/// Most people one issuer names.
const PEOPLE_MAX: usize = 10_000;

impl Plane {
    /// Trusts an issuer to say who those people are.
    pub async fn add_issuer(
        &self,
        who: &Acting<User>,
        spec: IssuerSpec,
    ) -> Result<IssuerView, AdminError> {
        let jwks = read_keys(&spec.jwks)?;
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
            let issuer = step.save(TrustedIssuer {
                id: step.id(),
                name: spec.name.clone(),
                issuer: spec.issuer.clone(),
                audience: spec.audience.clone(),
                jwks: jwks.clone(),
                naming: spec.naming,
                people,
                added_by: by.id,
                added_at: step.now,
                is_removed: false,
            })?;
            let label = &issuer.fact.name;
            let entry = changed(Verb::IssuerAdded, &by, Some(issuer.reference()), label);
            let entry = entry.detail("issuer", &spec.issuer).detail("people", spec.people.len());
            step.append(entry.event())?;
            Ok(plane.show(step.world).issuer(&issuer.fact))
        })
        .await
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
