//! Where a human's credentials lie, and what agents keep of their own.
//!
//! Paths below the home directory. They are empty inside whether or not they are there outside, so
//! that a login made while a run lasts does not appear in it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, Mode, OFlags, ResolveFlags, access, open, openat2};
use rustix::io::Errno;

use super::tree::walk;
use crate::environment::Environment;

/// Directories with credentials, or with what speaks for somebody.
pub(super) const DIRECTORIES: &[&str] = &[
    // Keys and clouds.
    ".aws",
    ".azure",
    ".config/anthropic",
    ".config/containers",
    ".config/doppler",
    ".config/gcloud",
    ".config/gh",
    ".config/git",
    ".config/github-copilot",
    ".config/glab-cli",
    ".config/op",
    ".config/pip",
    ".config/rclone",
    ".config/sops",
    ".docker",
    ".fly",
    ".gnupg",
    ".kube",
    ".local/share/keyrings",
    ".mcp-auth",
    ".oci",
    ".password-store",
    ".pip",
    ".pki",
    ".pulumi",
    ".ssh",
    ".terraform.d",
    // Agents, with their logins and what was said to them.
    ".claude",
    ".cline",
    ".codeium",
    ".codex",
    ".config/Claude",
    ".config/Code",
    ".config/Cursor",
    ".config/goose",
    ".config/opencode",
    ".config/zed",
    ".copilot",
    ".cursor",
    ".gemini",
    ".kiro",
    ".local/share/goose",
    ".local/share/opencode",
    // Browsers and mail, with their sessions.
    ".config/BraveSoftware",
    ".config/chromium",
    ".config/google-chrome",
    ".mozilla",
    ".thunderbird",
    // Sockets of containers and machines.
    ".colima",
    ".lima",
    ".rd",
    // Marque's own.
    ".config/marque",
    ".local/share/marque",
    ".local/state/marque",
    // Shells, which export what they were told, and remember it.
    ".config/environment.d",
    ".config/fish",
    ".local/share/fish",
];

/// Files with credentials.
pub(super) const FILES: &[&str] = &[
    ".Xauthority",
    ".ICEauthority",
    ".bash_history",
    ".bash_login",
    ".bash_profile",
    ".bashrc",
    ".boto",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".claude.json",
    ".config/hub",
    ".databrickscfg",
    ".env",
    ".envrc",
    ".gem/credentials",
    ".git-credentials",
    ".gitconfig",
    ".m2/settings-security.xml",
    ".m2/settings.xml",
    ".my.cnf",
    ".mylogin.cnf",
    ".mysql_history",
    ".netrc",
    ".node_repl_history",
    ".npmrc",
    ".pgpass",
    ".profile",
    ".psql_history",
    ".pypirc",
    ".python_history",
    ".s3cfg",
    ".sqlite_history",
    ".vault-token",
    ".viminfo",
    ".wget-hsts",
    ".yarnrc",
    ".yarnrc.yml",
    ".zlogin",
    ".zprofile",
    ".zsh_history",
    ".zshenv",
    ".zshrc",
];

/// The same for the whole machine. Most users cannot read them anyway; root can.
const OF_THE_MACHINE: &[&str] = &[
    "/etc/docker",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/kubernetes",
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/ssl/private",
    "/etc/sudoers",
    "/etc/sudoers.d",
];

/// Variables with the path of what holds credentials, or with several such paths.
const NAMING: &[&str] = &[
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AZURE_CONFIG_DIR",
    "BOTO_CONFIG",
    "CLAUDE_CONFIG_DIR",
    "CLOUDSDK_CONFIG",
    "CODEX_HOME",
    "DOCKER_CONFIG",
    "GH_CONFIG_DIR",
    "GIT_CONFIG_GLOBAL",
    "GLAB_CONFIG_DIR",
    "GNUPGHOME",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "HISTFILE",
    "KUBECONFIG",
    "MARQUE_DATABASE_URL_FILE",
    "MARQUE_PASSPHRASE_FILE",
    "NETRC",
    "NPM_CONFIG_USERCONFIG",
    "PASSWORD_STORE_DIR",
    "PGPASSFILE",
    "PGSERVICEFILE",
    "PULUMI_HOME",
    "SOPS_AGE_KEY_FILE",
    "TF_CLI_CONFIG_FILE",
    "XAUTHORITY",
    "npm_config_userconfig",
];
/// Variables with a directory in the place of one below the home directory.
const MOVED: &[(&str, &str)] = &[
    ("CARGO_HOME", ".cargo"),
    ("XDG_CONFIG_HOME", ".config"),
    ("XDG_DATA_HOME", ".local/share"),
    ("XDG_STATE_HOME", ".local/state"),
];

/// The home directory that the machine's list of users names for this one (passwd(5)).
pub(super) fn own_home() -> Option<PathBuf> {
    let user = rustix::process::geteuid().as_raw().to_string();
    let list = std::fs::read_to_string("/etc/passwd").ok()?;
    let mut lines = list.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let line = lines.find(|fields| fields.get(2) == Some(&user.as_str()))?;
    Path::new(line.get(5)?).canonicalize().ok()
}

/// What this environment says of where credentials lie.
pub(crate) fn named_by(environment: &Environment) -> Vec<PathBuf> {
    let values = NAMING.iter().filter_map(|name| environment.os(name));
    let mut paths: Vec<PathBuf> = values.flat_map(std::env::split_paths).collect();
    for (name, usual) in MOVED {
        let Some(moved) = environment.path(name) else { continue };
        let below = DIRECTORIES
            .iter()
            .chain(FILES)
            .filter_map(|path| Path::new(path).strip_prefix(usual).ok());
        paths.extend(below.map(|below| moved.join(below)));
    }
    paths.retain(|path| path.file_name().is_some_and(|name| name != OsStr::new("null")));
    paths
}

/// Where the names lead that are links, as managers of such files make them. `home` is free of
/// links itself.
pub(super) fn linked(home: &Path) -> Vec<PathBuf> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(at) = open(home, flags, Mode::empty()) else { return Vec::new() };
    let elsewhere = DIRECTORIES.iter().chain(FILES).filter_map(|name| {
        // One question of the kernel for each; few are there, and fewer are links. With O_NOFOLLOW
        // the last part could be one (openat2(2)).
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        match openat2(&at, *name, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => None,
            Err(_) => {
                let canonical = home.join(name).canonicalize().ok()?;
                (!home.starts_with(&canonical)).then_some(canonical)
            }
        }
    });
    elsewhere.collect()
}

/// Whether a path lies in what is hidden of a home directory.
pub(super) fn is_hidden(home: &Path, path: &Path) -> bool {
    let names = DIRECTORIES.iter().chain(FILES).map(|name| home.join(name));
    names.chain(linked(home)).any(|hidden| path.starts_with(hidden))
}

/// What of the machine's settings is not for everybody to read, and this user could.
pub(super) fn of_the_machine() -> BTreeSet<PathBuf> {
    let named = OF_THE_MACHINE.iter().filter_map(|path| Path::new(path).canonicalize().ok());
    let mut paths: BTreeSet<_> = named.collect();
    walk(Path::new("/etc"), (), |entry, kind, ()| {
        if kind.is_symlink() {
            return None;
        }
        let mode = entry.metadata().map_or(0, |found| found.permissions().mode());
        let is_for_all = mode & 0o004 != 0;
        if !is_for_all && access(entry.path(), Access::READ_OK).is_ok() {
            paths.insert(entry.path());
        }
        is_for_all.then_some(())
    });
    paths
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::{linked, named_by};
    use crate::environment::Environment;

    #[test]
    fn names_that_are_links_or_lie_behind_one_are_followed() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        for made in ["dotfiles/config/gh", "dotfiles/fly", ".aws"] {
            std::fs::create_dir_all(home.join(made)).unwrap();
        }
        std::fs::write(home.join("dotfiles/pypirc"), "").unwrap();
        symlink("dotfiles/config", home.join(".config")).unwrap();
        symlink(home.join("dotfiles/fly"), home.join(".fly")).unwrap();
        symlink("dotfiles/pypirc", home.join(".pypirc")).unwrap();
        // To nowhere, and to what holds all of it.
        symlink("nowhere", home.join(".netrc")).unwrap();
        symlink(".", home.join(".ssh")).unwrap();
        let expected = ["dotfiles/config/gh", "dotfiles/fly", "dotfiles/pypirc"];
        assert_eq!(linked(&home), expected.map(|name| home.join(name)));
    }

    #[test]
    fn variables_name_files_lists_of_files_and_directories_that_were_moved() {
        let named = |pairs: &[(&str, &str)]| named_by(&pairs.iter().copied().collect());
        let kube = named(&[("KUBECONFIG", "/a/one:two"), ("GIT_CONFIG_GLOBAL", "/dev/null")]);
        assert_eq!(kube, ["/a/one", "two"].map(PathBuf::from));
        let url = named(&[("MARQUE_DATABASE_URL_FILE", "/a/url"), ("EDITOR", "/usr/bin/vi")]);
        assert_eq!(url, [PathBuf::from("/a/url")]);
        let moved = named(&[("XDG_CONFIG_HOME", "/a/config")]);
        assert!(moved.contains(&"/a/config/gh".into()), "{moved:?}");
        assert_eq!(named_by(&Environment::default()), Vec::<PathBuf>::new());
    }
}
