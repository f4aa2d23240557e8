//! A small disk below a database: full whenever a test wants it to be.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{NOBODY, PostgresServer, WATCH, as_nobody, is_root, skipped};

/// Mounts the disk where only the server sees it, so that it goes with the server.
const MOUNT: &str = r#"mount -t tmpfs -o "size=$1,mode=700,uid=65534,gid=65534" none "$2" &&
shift 2 && exec "$@""#;
const OWN_MOUNTS: &[&str] = &["--mount", "--propagation", "private"];

impl PostgresServer {
    /// A server whose tables lie on a disk of that many MiB; `None`, said aloud, where none can be
    /// mounted. What it writes ahead, and its own tables, lie elsewhere.
    pub fn start_on_a_small_disk(mib: u32) -> Option<Self> {
        let mut probe = Command::new("unshare");
        probe.args(OWN_MOUNTS).args(["mount", "-t", "tmpfs", "none", "/mnt"]);
        let can_mount = is_root() && probe.status().is_ok_and(|status| status.success());
        if !can_mount {
            skipped("no disk can be mounted here");
            return None;
        }
        let server = Self::start_by(|programs, directory| watch(programs, directory, mib))?;
        let small = small(server.directory.path());
        server.sql(&format!("CREATE TABLESPACE small LOCATION '{}'", small.display()));
        server.sql("GRANT CREATE ON TABLESPACE small TO marque");
        server.sql("ALTER ROLE marque SET default_tablespace = small");
        Some(server)
    }

    /// Leaves no room on the small disk, but for what its tables have already.
    pub fn fills_the_disk(&self) {
        self.sql(
            "CREATE TABLE ballast (body text) WITH (autovacuum_enabled = off) TABLESPACE small",
        );
        let rows = "INSERT INTO ballast SELECT md5(n::text) FROM generate_series(1, 1000000) n";
        let told = self.psql(rows);
        let error = String::from_utf8_lossy(&told.stderr);
        assert!(error.contains("No space left"), "the disk is not full: {error}");
    }

    /// There is room again.
    pub fn frees_the_disk(&self) {
        self.sql("DROP TABLE ballast");
    }
}

fn small(directory: &Path) -> std::path::PathBuf {
    directory.join("small")
}

fn watch(programs: &Path, directory: &Path, mib: u32) -> Child {
    let small = small(directory);
    fs::create_dir(&small).unwrap();
    chown(&small, Some(NOBODY), Some(NOBODY)).unwrap();
    let mut shell = as_nobody(Path::new("sh"));
    shell.args(["-c", WATCH, "sh"]).arg(programs).arg(directory);
    let mut mounted = Command::new("unshare");
    mounted.args(OWN_MOUNTS).args(["sh", "-c", MOUNT, "sh", &format!("{mib}m")]).arg(&small);
    mounted.arg(shell.get_program()).args(shell.get_args());
    mounted.stdin(Stdio::piped()).process_group(0).spawn().unwrap()
}
