//! A small disk below a plane's data directory: full or read-only whenever a story wants it.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Mounts it where only its holder, and who joins it, sees it. It goes with them.
const MOUNT: &str =
    r#"mount -t tmpfs -o "size=$1k,mode=700" none "$2" && echo there && read -r told"#;
const OWN_MOUNTS: [&str; 5] = ["--user", "--map-root-user", "--mount", "--propagation", "private"];
const BALLAST: &str = "ballast";

/// A mounted disk.
pub(crate) struct Disk {
    holder: Child,
    at: PathBuf,
}

impl Disk {
    /// Mounts one of that size at a path that is not there yet; `None`, said aloud, where this
    /// machine mounts none. In CI it must.
    pub(crate) fn mounted_at(at: &Path, kib: u32) -> Option<Self> {
        fs::create_dir(at).unwrap();
        let mut holder = Command::new("unshare");
        holder.args(OWN_MOUNTS).args(["sh", "-c", MOUNT, "sh", &kib.to_string()]).arg(at);
        holder.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut holder = holder.spawn().ok()?;
        let mut first = [0];
        let told = holder.stdout.as_mut().unwrap().read(&mut first);
        let is_mounted = told.unwrap_or(0) == 1;
        let disk = Self { holder, at: at.to_owned() };
        if !is_mounted {
            assert!(
                std::env::var_os("CI").is_none(),
                "in CI a disk must be mounted: see `.ci/run`"
            );
            let _ = std::io::stderr().write_all(b"SKIPPED: no disk can be mounted here\n");
        }
        is_mounted.then_some(disk)
    }

    /// Leaves no room on it.
    pub(crate) fn fills(&self) {
        let mut ballast = File::create(self.seen().join(BALLAST)).unwrap();
        let filled = std::io::copy(&mut std::io::repeat(0), &mut ballast);
        let error = filled.expect_err("there is an end to it");
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{error}");
    }

    /// There is room again.
    pub(crate) fn frees(&self) {
        fs::remove_file(self.seen().join(BALLAST)).unwrap();
    }

    /// Takes writes from now on, or takes none: `rw`, `ro`.
    pub(crate) fn turns(&self, state: &str) {
        let words = self.words(Path::new("/"));
        let mut mount = Command::new(&words[0]);
        mount.args(&words[1..]).args(["mount", "-o", &format!("remount,{state}")]).arg(&self.at);
        assert!(mount.status().unwrap().success(), "the disk stays as it is");
    }

    /// Where it is seen from outside.
    pub(super) fn seen(&self) -> PathBuf {
        let root = format!("/proc/{}/root", self.holder.id());
        Path::new(&root).join(self.at.strip_prefix("/").unwrap())
    }

    /// Words before a command that sees it, in that directory.
    pub(super) fn words(&self, directory: &Path) -> Vec<String> {
        let target = self.holder.id().to_string();
        let directory = directory.to_str().unwrap();
        let join = ["nsenter", "--user", "--preserve-credentials", "--mount", "--target", &target];
        [&join[..], &["--", "env", "-C", directory]]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
