//! Every table of the schema, and how its rows are read in pages, written and counted.
//!
//! The one list of tables there is outside the migrations; a test holds it against them. A setting
//! that belongs to one store, and not to the plane in it, is left behind.

/// A table whose rows are copied.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// The key, one cell for each column of it. They come first in every row.
    pub(super) key: &'static [Key],
    /// Reads rows after a key, in its order. The last parameter is how many.
    pub(super) page: &'static str,
    /// Writes one row.
    pub(super) insert: &'static str,
    pub(super) count: &'static str,
}

/// What a column of a key holds.
#[derive(Clone, Copy)]
pub(super) enum Key {
    Text,
    Integer,
    Bytes,
}

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "facts",
        key: &[Key::Text, Key::Integer],
        page: "SELECT id, revision, kind, place, body FROM facts \
               WHERE (id, revision) > ($1, $2) ORDER BY id, revision LIMIT $3",
        insert: "INSERT INTO facts (id, revision, kind, place, body) VALUES ($1, $2, $3, $4, $5)",
        count: "SELECT count(*) FROM facts",
    },
    Table {
        name: "names",
        key: &[Key::Text, Key::Text],
        page: "SELECT kind, name, id FROM names \
               WHERE (kind, name) > ($1, $2) ORDER BY kind, name LIMIT $3",
        insert: "INSERT INTO names (kind, name, id) VALUES ($1, $2, $3)",
        count: "SELECT count(*) FROM names",
    },
    Table {
        name: "sealed",
        key: &[Key::Text, Key::Integer],
        page: "SELECT credential, revision, bytes FROM sealed \
               WHERE (credential, revision) > ($1, $2) ORDER BY credential, revision LIMIT $3",
        insert: "INSERT INTO sealed (credential, revision, bytes) VALUES ($1, $2, $3)",
        count: "SELECT count(*) FROM sealed",
    },
    Table {
        name: "log",
        key: &[Key::Integer],
        page: "SELECT idx, at, event, run, agent, task, user_name, connection, operation, \
               resource, answer, code, decision, leaf, bytes FROM log \
               WHERE idx > $1 ORDER BY idx LIMIT $2",
        insert: "INSERT INTO log (idx, at, event, run, agent, task, user_name, connection, \
                 operation, resource, answer, code, decision, leaf, bytes) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        count: "SELECT count(*) FROM log",
    },
    Table {
        name: "roots",
        key: &[Key::Integer, Key::Integer],
        page: "SELECT level, idx, hash FROM roots \
               WHERE (level, idx) > ($1, $2) ORDER BY level, idx LIMIT $3",
        insert: "INSERT INTO roots (level, idx, hash) VALUES ($1, $2, $3)",
        count: "SELECT count(*) FROM roots",
    },
    Table {
        name: "intents",
        key: &[Key::Text],
        page: "SELECT decision, run, idx, replica FROM intents \
               WHERE decision > $1 ORDER BY decision LIMIT $2",
        insert: "INSERT INTO intents (decision, run, idx, replica) VALUES ($1, $2, $3, $4)",
        count: "SELECT count(*) FROM intents",
    },
    Table {
        name: "checkpoints",
        key: &[Key::Integer],
        page: "SELECT size, note FROM checkpoints WHERE size > $1 ORDER BY size LIMIT $2",
        insert: "INSERT INTO checkpoints (size, note) VALUES ($1, $2)",
        count: "SELECT count(*) FROM checkpoints",
    },
    Table {
        name: "settings",
        key: &[Key::Text],
        page: "SELECT name, value FROM settings WHERE name > $1 \
               AND name NOT IN ('epoch', 'backfills', 'filling', 'moved_to', 'oldest_schema') \
               ORDER BY name LIMIT $2",
        insert: "INSERT INTO settings (name, value) VALUES ($1, $2)",
        count: "SELECT count(*) FROM settings \
                WHERE name NOT IN ('epoch', 'backfills', 'filling', 'moved_to', 'oldest_schema')",
    },
    Table {
        name: "policy_texts",
        key: &[Key::Bytes],
        page: "SELECT digest, body FROM policy_texts WHERE digest > $1 ORDER BY digest LIMIT $2",
        insert: "INSERT INTO policy_texts (digest, body) VALUES ($1, $2)",
        count: "SELECT count(*) FROM policy_texts",
    },
    Table {
        name: "factors",
        key: &[Key::Text],
        page: "SELECT user_id, check_text FROM factors \
               WHERE user_id > $1 ORDER BY user_id LIMIT $2",
        insert: "INSERT INTO factors (user_id, check_text) VALUES ($1, $2)",
        count: "SELECT count(*) FROM factors",
    },
    Table {
        name: "meters",
        key: &[Key::Text],
        page: "SELECT key, body FROM meters WHERE key > $1 ORDER BY key LIMIT $2",
        insert: "INSERT INTO meters (key, body) VALUES ($1, $2)",
        count: "SELECT count(*) FROM meters",
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::TABLES;
    use crate::session::{Mode, Session};
    use crate::transaction::{self, Tx};
    use crate::{migrations, sqlite};

    /// Every column of the schema, with its table, as `table.column`. What servers that share a
    /// store tell each other is of that store.
    fn columns() -> BTreeSet<String> {
        let mut session = sqlite::open_memory(None).unwrap();
        migrations::apply(&mut session).unwrap();
        let sql = "SELECT tables.name || '.' || columns.name FROM sqlite_schema AS tables, \
                   pragma_table_info(tables.name) AS columns \
                   WHERE tables.type = 'table' \
                   AND tables.name NOT IN ('migrations', 'feed', 'kept', 'replicas')";
        let session: &mut dyn Session = &mut session;
        let found = transaction::run(session, Mode::Read, |session| {
            Tx::new(session).rows(sql, &[], |row| row.text(0).map(str::to_owned))
        });
        found.unwrap().into_iter().collect()
    }

    fn words(list: &str) -> Vec<&str> {
        list.split(',').map(str::trim).collect()
    }

    #[test]
    fn every_column_of_every_table_is_read_and_written() {
        let mut listed = BTreeSet::new();
        for table in TABLES {
            let read = table.page.strip_prefix("SELECT ").unwrap().split(" FROM ").next().unwrap();
            let written = table.insert.split(['(', ')']).nth(1).unwrap();
            assert_eq!(words(read), words(written), "`{}`", table.name);
            let of_table = words(read).into_iter().map(|name| format!("{}.{name}", table.name));
            listed.extend(of_table);
        }
        assert_eq!(listed, columns(), "a new table or column belongs into `TABLES` too");
    }
}
