//! A cgroup of the run's own, where this machine lets one be made.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::super::support::{World, eventually};

/// Where cgroups of version 2 are mounted, if below the root's.
fn mounted() -> Option<PathBuf> {
    let places = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
    places.into_iter().map(PathBuf::from).find(|at| at.join("cgroup.controllers").exists())
}

#[test]
fn a_run_has_a_leaf_of_its_own_and_it_is_gone_with_the_run() {
    let world = World::new();
    let mut run = world.captured();
    let of = |told: &str| {
        let own = told.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or("");
        (own.to_owned(), own.contains("marque-"))
    };
    let (own, is_leaf) = of(&run.types("cat /proc/self/cgroup").out);
    if !is_leaf {
        let _ = std::io::stderr().write_all(b"SKIPPED: no cgroup can be made here\n");
        assert_eq!(run.ends(), 0);
        return;
    }
    assert!(own.ends_with(&format!("marque-{}", run.id)), "{own}");
    let (childs, _) = of(&run.types("marque --quiet run -- cat /proc/self/cgroup").out);
    assert_ne!(own, childs);
    let at = |own: &str| mounted().unwrap_or_default().join(Path::new(own));
    assert!(at(&own).exists() && !at(&childs).exists(), "{own} {childs}");
    assert_eq!(run.ends(), 0);
    assert!(!at(&own).exists(), "{own}");
    let run = world.captured();
    world.cli(&["kill", &run.id]).ok();
    eventually("the leaf is gone", || {
        (!at(&own.replace(own.rsplit("marque-").next().unwrap_or(""), &run.id)).exists())
            .then_some(())
    });
}
