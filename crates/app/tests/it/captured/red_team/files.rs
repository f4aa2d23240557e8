//! Files of the human, of the plane, and of the machine.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

use super::super::super::support::{BINARY, World};
use super::canary::CANARY;
use super::team::{Team, both, is_root, only_outside};

/// Where a human's credentials lie, below the home directory.
const CREDENTIALS: &[&str] = &[
    ".aws/credentials",
    ".aws/sso/cache/token.json",
    ".azure/msal_token_cache.json",
    ".bash_history",
    ".cargo/credentials.toml",
    ".claude.json",
    ".claude/.credentials.json",
    ".codex/auth.json",
    ".config/gcloud/credentials.db",
    ".config/gh/hosts.yml",
    ".config/marque/config.toml",
    ".docker/config.json",
    ".git-credentials",
    ".gnupg/private-keys-v1.d/key",
    ".kube/config",
    ".local/share/keyrings/login.keyring",
    ".mozilla/firefox/logins.json",
    ".netrc",
    ".npmrc",
    ".pgpass",
    ".ssh/id_ed25519",
];

fn lay(world: &World, name: &str) -> String {
    let path = world.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, CANARY).unwrap();
    path.to_str().unwrap().to_owned()
}

// threat 99, threat 114
#[test]
fn no_credential_of_the_human_is_there() {
    let (mut team, places) = Team::new(|world| {
        let mut places: Vec<_> = CREDENTIALS.iter().map(|name| lay(world, name)).collect();
        places.push(lay(world, "data/canary"));
        symlink(world.path(".aws/credentials"), world.path("work/linked")).unwrap();
        places.push(world.path("work/linked").to_str().unwrap().to_owned());
        // As managers of dotfiles have it: the name is a link, and what it leads to is elsewhere.
        places.push(lay(world, "dotfiles/fly/config.yml"));
        symlink(world.path("dotfiles/fly"), world.path(".fly")).unwrap();
        places.push(lay(world, "dotfiles/pypirc"));
        symlink("dotfiles/pypirc", world.path(".pypirc")).unwrap();
        places
    });
    for place in &places {
        team.tries(place, &["read", place]);
    }
    // A login that is made while the run lasts.
    let late = lay(&team.world, ".pulumi/credentials.json");
    team.tries("a login made later", &["read", &late]);
    // It proves the human, and the launcher's own environment names it.
    let passphrase = team.world.path("passphrase");
    team.tries("the passphrase", &["read-any", passphrase.to_str().unwrap()]);
    // threat 152: what the server holds, by the only file it would be read from.
    for file in ["data/marque.db", "data/keys/kek", "data/keys/log"] {
        let path = team.world.path(file);
        team.tries(file, &["read-any", path.to_str().unwrap()]);
    }
    team.reports();
}

#[test]
fn no_file_that_a_variable_of_the_human_names_is_there() {
    let world = World::new();
    let place = lay(&world, "elsewhere/aws");
    let other = lay(&world, "work/kube.yaml");
    for (variable, value, place) in [
        ("AWS_SHARED_CREDENTIALS_FILE", place.clone(), &place),
        ("KUBECONFIG", format!("/nowhere:{other}"), &other),
        // Relative to where the human is.
        ("NETRC", "kube.yaml".to_owned(), &other),
    ] {
        let prefix = format!("export {variable}={value}; PROBE");
        only_outside(variable, &both(&world, &prefix, &format!("read {place}")));
    }
}

// threat 114
#[test]
fn a_home_that_is_shown_less_of_shows_no_credential_either() {
    let world = World::new();
    let secret = lay(&world, ".aws/credentials");
    for home in ["hidden", "read-only"] {
        let run = format!(
            "{BINARY} run --tier captured --home {home} --agent bot --task ticket:OPS-12 -- \
             sh -c 'cat {secret}; echo x > ~/.bashrc; echo tried'"
        );
        let told = world.tool("sh", &["-c", &run]);
        assert!(told.out.contains("tried") && !told.out.contains(CANARY), "{}", told.whole());
        assert!(!world.path(".bashrc").exists(), "{home}");
    }
}

#[test]
fn nobody_elses_files_are_there() {
    if !is_root() {
        return;
    }
    let id = std::process::id();
    let (mut team, places) = Team::sharing(|_| {
        let places: Vec<_> =
            ["/home", "/root", "/srv", "/mnt", "/var/lib", "/var/tmp", "/tmp", "/run"]
                .map(|above| format!("{above}/canary-{id}"))
                .into_iter()
                .filter(|place| fs::write(place, CANARY).is_ok())
                .collect();
        places
    });
    assert!(places.len() > 5, "{places:?}");
    for place in &places {
        team.tries(place, &["read", place]);
    }
    for place in &places {
        fs::remove_file(place).unwrap();
    }
    team.tries("passwords of the machine", &["read-any", "/etc/shadow"]);
    team.reports();
}

#[test]
fn what_only_root_may_read_of_the_machine_is_not_there() {
    if !is_root() {
        return;
    }
    // In a directory of its own, which is gone with the test.
    let dir = tempfile::Builder::new().prefix("marque-canary-").tempdir_in("/etc").unwrap();
    let key = dir.path().join("private.key");
    fs::write(&key, CANARY).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let (mut team, ()) = Team::sharing(|_| ());
    team.tries("a private key of the machine", &["read", key.to_str().unwrap()]);
    team.reports();
}

#[test]
fn what_is_written_outside_the_working_directory_does_not_stay() {
    let (mut team, ()) = Team::new(|world| {
        for name in [".bashrc", ".profile", ".local/bin/ls", "notes.txt"] {
            lay(world, name);
        }
    });
    let attacks = "for at in ~/.bashrc ~/.profile ~/.local/bin/ls ~/notes.txt \
                   ~/.ssh/authorized_keys ~/.config/autostart/x.desktop; \
                   do mkdir -p $(dirname $at); echo evil >> $at; done; \
                   rm -rf ~/notes.txt ~/.local; mv ~/.bashrc ~/x";
    team.run.types(attacks);
    for name in [".bashrc", ".profile", ".local/bin/ls", "notes.txt"] {
        assert_eq!(fs::read_to_string(team.world.path(name)).unwrap(), CANARY, "{name}");
    }
    for name in [".ssh/authorized_keys", ".config/autostart/x.desktop", "x"] {
        assert!(!team.world.path(name).exists(), "{name}");
    }
    if is_root() {
        let etc = "/etc/hostname";
        team.tries("a file of the machine", &["write", etc]);
        team.tries("a program of the machine", &["write-back", "/usr/bin/true"]);
        team.tries("a new program of the machine", &["create", "/usr/local/bin/marque-canary"]);
    }
    team.reports();
}

#[test]
fn no_path_of_another_kind_leads_to_a_hidden_file() {
    if !is_root() {
        return;
    }
    let (mut team, (secret, owner)) = Team::new(|world| {
        let secret = lay(world, ".aws/credentials");
        // A program that runs as its owner, and a file that only the owner may read.
        let (program, file) = (world.path("work/cat"), world.path("work/of-nobody"));
        fs::copy("/usr/bin/cat", &program).unwrap();
        fs::write(&file, CANARY).unwrap();
        for path in [&program, &file] {
            chown(path, Some(65_534), None).unwrap();
        }
        fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
        (secret, [program, file].map(|path| path.to_str().unwrap().to_owned()))
    });
    let home = team.world.home().to_str().unwrap().to_owned();
    let outside = std::process::id();
    team.tries("by its number", &["by-handle", &home, ".aws/credentials"]);
    team.tries("by the root of a process", &["read", &format!("/proc/{outside}/root{secret}")]);
    let [program, file] = &owner;
    team.tries("by a program that runs as its owner", &["as-owner", program, file]);
    let made = team.world.path("work/node");
    team.tries("by a device made for it", &["node", made.to_str().unwrap(), "1", "5"]);
    for device in ["/dev/kmsg", "/dev/fuse", "/dev/loop-control", "/dev/kvm", "/dev/console"] {
        if fs::exists(device).unwrap() {
            team.tries(device, &["write", device]);
        }
    }
    team.reports();
}
