//! The inside of a run's proof.

use marque_plane::{Plane, Presented};

/// Whoever is inside.
pub fn inside(plane: &Plane, presented: &Presented) {
    let run = plane.identify_run(presented).ok().unwrap();
    let _who = run.who;
}
