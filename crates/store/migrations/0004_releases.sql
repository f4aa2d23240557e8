-- What servers of different releases that share the store must know of each other. A program that
-- does not know these columns writes none of them.
ALTER TABLE replicas ADD COLUMN speaks INTEGER NOT NULL DEFAULT 1;
ALTER TABLE replicas ADD COLUMN release TEXT NOT NULL DEFAULT '';
ALTER TABLE replicas ADD COLUMN policies TEXT NOT NULL DEFAULT '';

-- The oldest schema a program may know and still serve a store of this one. A step that only adds
-- says so of itself, so that servers can be restarted one by one, and back; what it does not say
-- does not hold.
INSERT INTO settings (name, value) VALUES ('oldest_schema', '4 for 4');
