-- What agents and connections have spent on a day, where that is limited: it must outlive the
-- server. What runs have spent dies with them.
CREATE TABLE meters (
    key TEXT PRIMARY KEY,
    body TEXT NOT NULL
);
