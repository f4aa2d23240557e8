//! Making what was laid read-only where it has to be, mount by mount.
//!
//! A mount below a laid directory comes along with it (mount(2), MS_REC), and a flag of the
//! directory is not one of the mount below; so the kernel's own list is gone through.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, mount_remount};

use super::super::{During as _, Trouble};
use super::devices::DEVICES;
use super::lay::{straight, through};
use crate::capture::message::{Sight, What};

/// The kernel's list of our mounts.
pub(super) const LIST: &str = "/proc/self/mountinfo";

/// A mount of ours.
#[derive(Debug, PartialEq, Eq)]
struct Mounted {
    at: PathBuf,
    flags: MountFlags,
}

/// Takes from every mount what it must not allow.
pub(super) fn restrict(sights: &[Sight]) -> Result<(), Trouble> {
    let list = std::fs::read(LIST).during("list the mounts")?;
    for mounted in all(&list) {
        let Some(more) = owed(&mounted.at, sights) else { continue };
        let flags = mounted.flags | more | MountFlags::BIND;
        let step = || format!("restrict `{}`", mounted.at.display());
        // The list's paths are free of links; one that is not any more was put there meanwhile.
        let itself = straight(&mounted.at).during(step())?;
        let itself = itself.ok_or("it is gone").during(step())?;
        mount_remount(through("", &itself), flags, "").during(step())?;
    }
    Ok(())
}

/// Where mounts are.
pub(super) fn places() -> std::io::Result<BTreeSet<PathBuf>> {
    let list = std::fs::read(LIST)?;
    Ok(all(&list).map(|mounted| mounted.at).collect())
}

/// What a mount there is to lose: as the nearest thing laid above it says, the later of two.
fn owed(at: &Path, sights: &[Sight]) -> Option<MountFlags> {
    let above = sights.iter().filter(|sight| at.starts_with(&sight.at));
    let nearest = above.max_by_key(|sight| sight.at.components().count());
    let no_powers = MountFlags::NOSUID | MountFlags::NODEV;
    let is_itself = nearest.is_some_and(|sight| sight.at == at);
    match nearest.map(|sight| &sight.what) {
        // The root itself, in which nothing but places for others lies, is nobody's.
        None
        | Some(
            What::Read
            | What::From(_)
            | What::Nothing
            | What::Text(_)
            | What::Link(_)
            | What::Lent { is_writable: false }
            | What::Layered { is_writable: false, .. },
        ) => Some(MountFlags::RDONLY | no_powers),
        Some(What::Write | What::Lent { is_writable: true }) => Some(no_powers),
        Some(What::Processes) if !is_itself => {
            Some(MountFlags::RDONLY | MountFlags::NOEXEC | no_powers)
        }
        Some(What::Devices) if is_device(at) => {
            Some(MountFlags::RDONLY | MountFlags::NOEXEC | MountFlags::NOSUID)
        }
        // Made with the flags they need.
        Some(What::Scratch { .. } | What::Layered { .. } | What::Processes | What::Devices) => None,
    }
}

fn is_device(at: &Path) -> bool {
    at.file_name().is_some_and(|name| DEVICES.iter().any(|device| name == *device))
}

// A line for each mount. A place is bytes, and need not be text.
fn all(list: &[u8]) -> impl Iterator<Item = Mounted> {
    list.split(|byte| *byte == b'\n').filter_map(parse)
}

// proc_pid_mountinfo(5): the fifth field is the place, the sixth its flags.
fn parse(line: &[u8]) -> Option<Mounted> {
    let mut fields = line.split(u8::is_ascii_whitespace).skip(4);
    let at = unescaped(fields.next()?);
    let flags = fields.next()?.split(|byte| *byte == b',').map(flag);
    Some(Mounted { at, flags: flags.fold(MountFlags::empty(), |all, one| all | one) })
}

// Those that the user namespace locks must stay as they are (mount_namespaces(7)).
fn flag(word: &[u8]) -> MountFlags {
    match word {
        b"ro" => MountFlags::RDONLY,
        b"nosuid" => MountFlags::NOSUID,
        b"nodev" => MountFlags::NODEV,
        b"noexec" => MountFlags::NOEXEC,
        b"noatime" => MountFlags::NOATIME,
        b"nodiratime" => MountFlags::NODIRATIME,
        b"relatime" => MountFlags::RELATIME,
        _ => MountFlags::empty(),
    }
}

// Blanks are written as three octal digits.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'\\').then(|| after.get(..3)).flatten();
        let code = code.and_then(|digits| str::from_utf8(digits).ok());
        if let Some(code) = code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            bytes.push(code);
            rest = after.get(3..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;

    use super::{Mounted, all, owed, parse};
    use crate::capture::message::{Sight, What};
    use rustix::mount::MountFlags;

    #[test]
    fn a_mount_is_read_with_blanks_and_flags() {
        let line = br"36 35 98:0 /a /mnt/a\040b rw,nosuid,relatime shared:1 - ext4 /dev/sda rw";
        let flags = MountFlags::NOSUID | MountFlags::RELATIME;
        assert_eq!(parse(line), Some(Mounted { at: "/mnt/a b".into(), flags }));
    }

    #[test]
    fn a_place_that_is_no_text_is_read_as_it_is() {
        let list = b"36 35 98:0 / /mnt/\xff\xfe ro - ext4 a rw\n37 35 98:0 / /b rw - ext4 a rw\n";
        let places: Vec<_> = all(list).map(|mounted| mounted.at).collect();
        assert_eq!(places[0].as_os_str().as_bytes(), b"/mnt/\xff\xfe");
        assert_eq!(places[1], Path::new("/b"));
        assert_eq!(places.len(), 2);
    }

    #[test]
    fn the_nearest_thing_laid_says_what_a_mount_below_it_may() {
        let sight = |at: &str, what| Sight { at: at.into(), what };
        let sights = [
            sight("/home/me", What::Read),
            sight("/home/me/work", What::Write),
            sight("/home/me/work/.git/config", What::Read),
            sight("/tmp", What::Scratch { mode: 0o1777 }),
            sight("/proc", What::Processes),
            sight("/dev", What::Devices),
        ];
        let is_read_only = |at: &str| {
            let flags = owed(at.as_ref(), &sights);
            flags.is_some_and(|flags| flags.contains(MountFlags::RDONLY))
        };
        for at in [
            "/",
            "/home/me",
            "/home/me/other/mount",
            "/home/me/work/.git/config",
            "/proc/sys",
            "/dev/null",
        ] {
            assert!(is_read_only(at), "{at}");
        }
        for at in ["/home/me/work", "/home/me/work/deep/mount", "/tmp", "/proc", "/dev", "/dev/pts"]
        {
            assert!(!is_read_only(at), "{at}");
        }
    }
}
