//! A human's verb with a run's proof.

use marque_plane::spec::KillTarget;
use marque_plane::{Plane, Presented};

/// One verb, by a run.
pub async fn verb(plane: &Plane, presented: &Presented) {
    let run = plane.identify_run(presented).ok().unwrap();
    let _killed = plane.kill(&run, KillTarget::All).await;
}
