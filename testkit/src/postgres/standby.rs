//! A standby: a second server that follows the first, until it is promoted.

use std::path::PathBuf;
use std::sync::atomic::AtomicU32;
use std::thread;

use super::{PostgresServer, STARTS_WITHIN, TICK, append, as_nobody, free_port, place, run, watch};

/// What a standby is called where its primary waits for it.
const NAME: &str = "standby";

impl PostgresServer {
    /// A standby that follows this server, over the Unix socket. Nothing is acknowledged that it
    /// does not have, from now on, if it is `synchronous`.
    #[must_use]
    pub fn standby(&self, synchronous: bool) -> Self {
        let (directory, port) = (place(), free_port());
        let data = directory.path().join("data");
        let mut backup = as_nobody(&self.programs.join("pg_basebackup"));
        backup.args(["-R", "-X", "stream", "-c", "fast", "--no-sync", "-D"]).arg(&data);
        let host = self.directory.path().display();
        backup
            .arg("-d")
            .arg(format!("host={host} port={} user=postgres application_name={NAME}", self.port));
        run(&mut backup);
        let own = format!(
            "\nport = {port}\nunix_socket_directories = '{}'\n",
            directory.path().display()
        );
        append(&data.join("postgresql.conf"), &own);
        let (programs, watch) = (self.programs.clone(), watch(&self.programs, directory.path()));
        // Its schemas are those of the first.
        let standby =
            Self { programs, directory, port, watch, schemas: AtomicU32::new(STANDBY_SCHEMAS) };
        standby.wait_until_up();
        if synchronous {
            self.sql(&format!("ALTER SYSTEM SET synchronous_standby_names = '{NAME}'"));
            self.sql("SELECT pg_reload_conf()");
        }
        let state = if synchronous { "sync" } else { "async" };
        let asked = "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'";
        eventually(&format!("the standby follows as {state}"), || self.sql(asked) == state);
        standby
    }

    /// From now on the standby hears nothing of its primary any more.
    pub fn stops_following(&self) {
        self.sql("ALTER SYSTEM SET primary_conninfo = ''");
        self.sql("SELECT pg_reload_conf()");
        let receivers = "SELECT count(*) FROM pg_stat_wal_receiver";
        eventually("the standby is deaf", || self.sql(receivers) == "0");
    }

    /// Makes the standby a primary.
    pub fn promote(&self) {
        let mut promote = as_nobody(&self.programs.join("pg_ctl"));
        run(promote.args(["promote", "-w", "-D"]).arg(self.data()));
        eventually("it is a primary", || self.sql("SELECT pg_is_in_recovery()") == "f");
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }
}

/// Numbers of schemas that its primary does not give.
const STANDBY_SCHEMAS: u32 = 1_000;

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..STARTS_WITHIN {
        if is_so() {
            return;
        }
        thread::sleep(TICK);
    }
    panic!("it never came to this: {what}");
}
