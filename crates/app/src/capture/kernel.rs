//! What a run needs of the kernel, tried one by one, and the settings that stand in the way.
//!
//! Nothing is concluded from a version: each thing is done once, by a process of its own.

use std::process::Stdio;

use super::inside::{Part, fence};

/// One thing that a captured run is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// A user namespace with the other five.
    Namespaces,
    /// Mounts in it.
    Mounts,
    /// A network in which every address is the run's own.
    Network,
    /// A layer over the home directory.
    Layers,
    /// Processes of its own, and a `/proc` that shows them.
    Processes,
}

impl Need {
    /// All of them.
    pub(crate) const ALL: [Self; 5] =
        [Self::Namespaces, Self::Mounts, Self::Network, Self::Layers, Self::Processes];

    /// The word for it between this program and its part.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::Mounts => "mounts",
            Self::Network => "network",
            Self::Layers => "layers",
            Self::Processes => "processes",
        }
    }

    /// Tries it; or says what the kernel said.
    pub(crate) fn is_given(self) -> Result<(), String> {
        let mut command = Part::Probe.command();
        command.arg(self.word()).env_clear().stdin(Stdio::null()).stdout(Stdio::null());
        let output = command.output().map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

/// The version of Landlock, up to 6; none without it.
pub(crate) fn landlock() -> Option<u8> {
    fence::version()
}

/// A setting of this machine that forbids user namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Obstacle {
    /// What it is.
    pub(crate) why: &'static str,
    /// What to do about it.
    pub(crate) remedy: &'static str,
}

/// Where distributions and administrators forbid them: a setting, the value that does, whether it
/// binds root as well, and the words for it.
const OBSTACLES: &[(&str, &str, bool, Obstacle)] = &[
    (
        "/proc/sys/user/max_user_namespaces",
        "0",
        true,
        Obstacle {
            why: "user namespaces are switched off (user.max_user_namespaces=0)",
            remedy: "as root: `sysctl -w user.max_user_namespaces=15000`",
        },
    ),
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        false,
        Obstacle {
            why: "user namespaces are for root alone (kernel.unprivileged_userns_clone=0)",
            remedy: "as root: `sysctl -w kernel.unprivileged_userns_clone=1`",
        },
    ),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        false,
        Obstacle {
            why: "AppArmor lets no program use user namespaces without a profile of its own \
                  (kernel.apparmor_restrict_unprivileged_userns=1)",
            remedy: "as root: copy `packaging/apparmor/marque` to `/etc/apparmor.d/marque`, then \
                     `apparmor_parser -r /etc/apparmor.d/marque`",
        },
    ),
];

/// The setting that forbids them here, if one does.
pub(crate) fn obstacle() -> Option<Obstacle> {
    let is_root = rustix::process::geteuid().is_root();
    let setting = |path: &str| std::fs::read_to_string(path).ok();
    obstacle_in(is_root, setting)
}

fn obstacle_in(is_root: bool, setting: impl Fn(&str) -> Option<String>) -> Option<Obstacle> {
    let stands = |(path, forbids, binds_root, _): &&(&str, &str, bool, Obstacle)| {
        (*binds_root || !is_root) && setting(path).is_some_and(|value| value.trim() == *forbids)
    };
    OBSTACLES.iter().find(stands).map(|(_, _, _, obstacle)| *obstacle)
}

#[cfg(test)]
mod tests {
    use super::obstacle_in;

    #[test]
    fn the_setting_that_stands_in_the_way_is_named() {
        let of = |is_root, at: &'static str, value: &'static str| {
            let setting = move |path: &str| path.ends_with(at).then(|| format!("{value}\n"));
            obstacle_in(is_root, setting).map(|obstacle| obstacle.why)
        };
        assert!(of(true, "max_user_namespaces", "0").unwrap().contains("switched off"));
        assert_eq!(of(true, "max_user_namespaces", "15000"), None);
        let apparmor = "apparmor_restrict_unprivileged_userns";
        assert!(of(false, apparmor, "1").unwrap().contains("AppArmor"));
        assert_eq!(of(true, apparmor, "1"), None);
        assert!(of(false, "unprivileged_userns_clone", "0").unwrap().contains("root alone"));
    }
}
