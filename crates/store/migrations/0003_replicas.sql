-- What servers that share the store tell each other: through it alone, no server talks to another.

-- What each batch changed. The last row is never removed: it says which number comes next.
CREATE TABLE feed (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    body TEXT NOT NULL
);

-- What only memory holds, for a server that starts later.
CREATE TABLE kept (
    key TEXT PRIMARY KEY,
    body TEXT NOT NULL
);

-- Who may write, and since which start. A server whose row is gone, or another's, writes nothing.
CREATE TABLE replicas (
    name TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL,
    seen INTEGER NOT NULL
);

-- Whose act an intent is; empty where the store is not shared.
ALTER TABLE intents ADD COLUMN replica TEXT NOT NULL DEFAULT '';
