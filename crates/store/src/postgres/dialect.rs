//! What PostgreSQL says in its own way. Everything else is SQL that both engines read.

/// One snapshot for the whole transaction, that of its first statement.
pub(super) const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// With [`LOCK_WRITES`] no other write transaction runs beside this one, so that a snapshot for
/// each statement sees all that was committed before, and nothing runs again for want of order.
pub(super) const BEGIN_WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

pub(super) const COMMIT: &str = "COMMIT";
pub(super) const ROLLBACK: &str = "ROLLBACK";
pub(super) const SAVEPOINT: &str = "SAVEPOINT attempt";
pub(super) const RELEASE: &str = "RELEASE SAVEPOINT attempt";
pub(super) const UNDO: &str = "ROLLBACK TO SAVEPOINT attempt";

/// Prepared before anything else: in a transaction that failed the server prepares nothing.
pub(super) const CONTROL: &[&str] = &[
    BEGIN_READ,
    BEGIN_WRITE,
    LOCK_WRITES,
    SAVEPOINT,
    RELEASE,
    UNDO,
    COMMIT_PATIENTLY,
    COMMIT,
    ROLLBACK,
];

/// Our advisory locks: the letters `MRQU` for a writer's session, by schema and server, and the
/// number after it for each write transaction, by schema.
pub(super) const LOCK_WRITER: &str =
    "SELECT pg_advisory_lock(1297240405, hashtext(current_schema() || '/' || $1))";
pub(super) const LOCK_WRITES: &str =
    "SELECT pg_advisory_xact_lock(1297240406, hashtext(current_schema()))";

/// The servers that hold [`LOCK_WRITER`]. A lock's second number is shown without its sign.
pub(super) const LIVING: &str = "SELECT name FROM replicas WHERE EXISTS (SELECT FROM pg_locks \
     WHERE locktype = 'advisory' AND granted AND classid = 1297240405 AND objsubid = 2 \
     AND objid::bigint = hashtext(current_schema() || '/' || name)::bigint & 4294967295 \
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) \
     ORDER BY name";

/// A server's epoch, 0 if it was dismissed; the feed's last number; the moment. Read under
/// [`LOCK_WRITES`], so that nobody changes them before the transaction ends.
pub(super) const TURN: &str = "SELECT \
     coalesce((SELECT epoch FROM replicas WHERE name = $1), 0), \
     coalesce((SELECT max(seq) FROM feed), 0), \
     floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// The server's clock, the one that all who share the database go by, in milliseconds.
pub(super) const NOW: &str = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// On what servers that share the schema hear of each other's commits; the word is who speaks.
pub(super) const CHANNEL: &str = "SELECT 'marque_' || to_hex(hashtext(current_schema()))";
pub(super) const NOTIFY: &str =
    "SELECT pg_notify('marque_' || to_hex(hashtext(current_schema())), $1)";

/// Who we are to the server, and ending what is left of who we were.
pub(super) const OURSELVES: &str = "SELECT pid::bigint, backend_start::text \
     FROM pg_stat_activity WHERE pid = pg_backend_pid()";
pub(super) const END_FORMER: &str = "SELECT count(pg_terminate_backend(pid)) \
     FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2";

/// For every connection. Every wait has a bound, here and, should this side vanish, there: a
/// server that does not notice would keep the writer's locks. A commit is durable when it is
/// answered, whatever the server's own default.
pub(super) const SETTINGS: &str = "
    SET synchronous_commit = on;
    SET statement_timeout = '10s';
    SET lock_timeout = '2s';
    SET idle_in_transaction_session_timeout = '30s';
    SET tcp_keepalives_idle = 10;
    SET tcp_keepalives_interval = 5;
    SET tcp_keepalives_count = 3;
    SET tcp_user_timeout = 20000;
    SET jit = off;
    SET client_min_messages = warning;
";

pub(super) const READER: &str = "SET default_transaction_read_only = on";

/// A write transaction keeps every other server waiting, so one whose client is silent in it ends
/// before the others believe that they are cut off: commands compute between statements, and wait
/// for nothing. Whoever was only slow does it again.
pub(super) const WRITER: &str = "SET idle_in_transaction_session_timeout = '500ms'";

/// Silence is all a listener's session is for.
pub(super) const LISTENER: &str = "SET idle_session_timeout = 0";

/// Before a commit. The timeout would end the wait for a synchronous standby with a warning and a
/// success; without it the server goes on waiting, and our own patience ends in doubt.
pub(super) const COMMIT_PATIENTLY: &str = "SET LOCAL statement_timeout = 0";

/// Before a step of the schema, which may go over a whole table.
pub(super) const STEP_PATIENTLY: &str = "SET LOCAL statement_timeout = '10min'";

/// What we must know of a server before we trust it with anything.
pub(super) const SERVER: &str = "SELECT current_setting('server_version_num')::bigint, \
     pg_is_in_recovery()::int::bigint, current_setting('fsync'), \
     current_setting('full_page_writes'), current_setting('server_encoding'), \
     current_schema()::text";

/// The oldest server we trust, 14: the first that refuses data injected before TLS on both ends.
pub(super) const OLDEST: i64 = 140_000;

/// Columns of the table of steps if it is ours, then tables named as ours.
pub(super) const FOUND: &str = "SELECT \
     (SELECT count(*) FROM information_schema.columns WHERE table_schema = current_schema() \
      AND table_name = 'migrations' AND column_name IN ('number', 'step')), \
     (SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema() \
      AND table_name IN ('migrations', 'facts', 'names', 'log', 'roots', 'settings'))";

/// A step of the schema in this dialect: three words change. Text sorts by its bytes, as SQLite
/// sorts it, whatever the database's own collation: ids are compared with `<`.
pub(super) fn translate(step: &str) -> String {
    let mut translated = String::with_capacity(step.len() * 2);
    let mut rest = step;
    while !rest.is_empty() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (head, tail) = rest.split_at(word);
        translated.push_str(match head {
            "TEXT" => "TEXT COLLATE \"C\"",
            "INTEGER" => "BIGINT",
            "BLOB" => "BYTEA",
            other => other,
        });
        let gap = tail.find(is_word).unwrap_or(tail.len());
        let (between, after) = tail.split_at(gap);
        translated.push_str(between);
        rest = after;
    }
    translated
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn only_whole_words_of_types_are_translated() {
        let step = "CREATE TABLE a (TEXTS TEXT, b BLOB NOT NULL, n INTEGER);\n-- é INTEGERS\n";
        let expected = "CREATE TABLE a (TEXTS TEXT COLLATE \"C\", b BYTEA NOT NULL, n BIGINT);\n\
                        -- é INTEGERS\n";
        assert_eq!(translate(step), expected);
    }
}
