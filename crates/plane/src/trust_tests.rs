//! Stage 5 by its inputs: levels that no verb brings about by itself yet.

use marque_domain::{Class, Refusal, Tier, TrustInputs, TrustLevel, trust};

use super::weigh;
use crate::mandate::rule;
use crate::run::stand;
use crate::testing::{NOW, Scene};

fn weighed(inputs: TrustInputs, class: Class) -> Result<Option<Refusal>, Refusal> {
    let scene = Scene::new();
    let world = scene.world();
    let standing = stand(&world, scene.run.id, NOW).ok().unwrap();
    let mandated = rule(&world, &standing, &scene.operation(), NOW).ok().unwrap();
    weigh(&trust::score(&inputs), &mandated, 0, class)
}

const PENDING: TrustInputs = TrustInputs {
    tier: Some(Tier::Advisory),
    user_namespaces: Some(false),
    version_approved: Some(true),
    owner_present: Some(false),
    refusals: Some(10),
};

#[test]
fn a_pending_run_reads_on_and_asks_before_it_changes_anything() {
    assert_eq!(trust::score(&PENDING).level, TrustLevel::Pending);
    assert_eq!(weighed(PENDING, Class::Read).ok().unwrap(), None);
    for class in [Class::Write, Class::Admin, Class::Unclassified] {
        let held = weighed(PENDING, class).ok().unwrap().unwrap();
        assert_eq!(held.code.text(), "refused.trust.needs_approval");
    }
}

#[test]
fn an_untrusted_run_does_nothing_even_without_a_floor() {
    let refused = weighed(TrustInputs::default(), Class::Read).err().unwrap();
    assert_eq!(refused.code.text(), "refused.trust.below_floor");
}
