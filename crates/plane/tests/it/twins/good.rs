//! The good twin: asks, opens what it was permitted, and kills as a human.

use marque_plane::spec::KillTarget;
use marque_plane::{Ask, Factor, Peer, Plane, broker};

/// One act.
pub async fn act(plane: &Plane, ask: Ask) {
    let permit = plane.decide(ask).await.ok().unwrap();
    let _decision = permit.decision();
    let _opened = broker::open(plane, permit);
}

/// One verb.
pub async fn verb(plane: &Plane, peer: &Peer, factor: Factor) {
    let human = plane.identify(peer, Some(factor), false).await.ok().unwrap();
    let _killed = plane.kill(&human, KillTarget::All).await;
}

/// Plain data can be read.
pub fn read(text: &str) -> impl serde::de::DeserializeOwned + use<> {
    fn from<T: serde::de::DeserializeOwned + Default>(_: &str) -> T {
        T::default()
    }
    from::<marque_plane::spec::Lines>(text)
}
