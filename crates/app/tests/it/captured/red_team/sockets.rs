//! Sockets of daemons, and what processes share otherwise.

use std::path::Path;

use super::canary::{CANARY, Canary};
use super::team::{Team, beside, is_root};

// threat 114
#[test]
fn no_socket_of_this_machine_is_reached() {
    let canary = Canary::default();
    let id = std::process::id();
    let before = |world: &super::super::super::support::World| {
        let at = |name: &str| world.path(name).to_str().unwrap().to_owned();
        std::fs::create_dir_all(world.path(".gnupg")).unwrap();
        std::fs::create_dir_all(world.path("work/tmp/sockets")).unwrap();
        let mut places = vec![
            ("abstract", format!("@canary-{id}")),
            ("in /tmp, as ssh-agent has it", format!("/tmp/canary-agent-{id}")),
            ("in the home directory", at("canary.sock")),
            ("in a hidden directory", at(".gnupg/S.canary")),
            ("in the working directory", at("work/canary.sock")),
            ("deep in the working directory", at("work/tmp/sockets/puma.sock")),
        ];
        if is_root() {
            places.push(("in /run, as Docker has it", format!("/run/canary-docker-{id}.sock")));
            places.push(("in /var/lib", format!("/var/lib/canary-{id}.sock")));
        }
        for (_, place) in &places {
            canary.unix(place);
        }
        // Its path is relative to where its server stands, and so it is in the kernel's list.
        let relative = beside(world, &["serve", "relative.sock"], &[]);
        places.push(("bound by a relative path", at("work/relative.sock")));
        (places, relative)
    };
    let (mut team, (places, _relative)) = Team::new(before);
    team.watches(&canary);
    for (name, place) in &places {
        team.tries(name, &["unix", place]);
    }
    for (_, place) in places.iter().filter(|(_, place)| !place.starts_with('@')) {
        let _gone = std::fs::remove_file(Path::new(place));
    }
    // Whoever asks the environment finds none of them.
    let asked =
        team.run.types("env | grep -E 'SSH_AUTH_SOCK|DBUS|DOCKER_HOST|XDG_RUNTIME|DISPLAY'");
    assert_eq!((asked.code, asked.out.as_str()), (1, ""));
    team.reports();
}

#[test]
fn memory_and_queues_are_the_runs_own() {
    let key = (0x6d71_0000 | (std::process::id() & 0xffff)).to_string();
    let shared = format!("/dev/shm/canary-{}", std::process::id());
    let (mut team, ()) = Team::sharing(|_| std::fs::write(&shared, CANARY).unwrap());
    team.prepares(&["make-ipc", &key]);
    team.tries("shared memory of System V", &["shared-memory", &key]);
    team.tries("a queue of System V", &["message-queue", &key]);
    team.tries("shared memory of POSIX", &["read", &shared]);
    team.prepares(&["remove-ipc", &key]);
    std::fs::remove_file(shared).unwrap();
    team.reports();
}
