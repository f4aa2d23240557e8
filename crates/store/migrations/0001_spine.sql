-- What Marque keeps, from the first release on, in the SQL that SQLite and PostgreSQL share.

-- Every revision of every fact. place: 0 replaced by a later revision, 1 current, 2 final.
CREATE TABLE facts (
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    kind TEXT NOT NULL,
    place INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (id, revision)
);
CREATE UNIQUE INDEX facts_current ON facts (kind, id) WHERE place = 1;

-- Names ever given; rows are never removed.
CREATE TABLE names (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (kind, name)
);

-- Sealed secrets, bound to credential and revision.
CREATE TABLE sealed (
    credential TEXT NOT NULL,
    revision INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (credential, revision)
);

-- The log. What is true is in bytes, under leaf; the other columns only help to find it.
CREATE TABLE log (
    idx INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    run TEXT,
    agent TEXT,
    task TEXT,
    user_name TEXT,
    connection TEXT,
    operation TEXT,
    resource TEXT,
    answer TEXT,
    code TEXT,
    decision TEXT,
    leaf BLOB NOT NULL,
    bytes BLOB NOT NULL
);
CREATE INDEX log_run ON log (run) WHERE run IS NOT NULL;
-- From an agent or a task to its runs, and by log_run to their entries: an index of all entries by
-- agent would touch as many pages in a batch as there are agents in it.
CREATE INDEX log_runs_of_agent ON log (agent) WHERE event = 'run_opened';
CREATE INDEX log_runs_of_task ON log (task) WHERE event = 'run_opened';
CREATE INDEX log_decision ON log (decision) WHERE decision IS NOT NULL;

-- Roots of the full subtrees of 2^level leaves, level 8, 16, ….
CREATE TABLE roots (
    level INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (level, idx)
);

-- Allowed acts whose outcome is not in the log yet.
CREATE TABLE intents (
    decision TEXT PRIMARY KEY,
    run TEXT NOT NULL,
    idx INTEGER NOT NULL
);

-- Signed tree heads.
CREATE TABLE checkpoints (
    size INTEGER PRIMARY KEY,
    note TEXT NOT NULL
);

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- Every policy set that was ever in force, by digest.
CREATE TABLE policy_texts (
    digest BLOB PRIMARY KEY,
    body TEXT NOT NULL
);

-- How a human's factor is checked; never the factor.
CREATE TABLE factors (
    user_id TEXT PRIMARY KEY,
    check_text TEXT NOT NULL
);
