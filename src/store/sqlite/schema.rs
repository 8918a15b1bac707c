//! The tables, as migrations: each brings the database from one version to the next.
//!
//! A user's id is kept as its sixteen bytes, big-endian, so that ids sort as they do everywhere
//! else. It stands in every message and twice in every index of conversations, where the
//! 26 letters of the written form would cost more than the reader of a shell gains: who looks
//! into the database finds people by `accounts.username` and joins by `accounts.id`.

/// Marks a database as confab's, in its header: the letters "cnfb".
pub(super) const APPLICATION_ID: i64 = 0x636e_6662;

/// The migrations in order. `PRAGMA user_version` counts those that were applied.
///
/// Invariant: an entry that was ever released is never changed; changes are new entries.
pub(super) const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE accounts (
    id            BLOB PRIMARY KEY CHECK (length(id) = 16),
    username      TEXT NOT NULL UNIQUE,
    display_name  TEXT,
    password_hash TEXT NOT NULL,
    created_at    INTEGER NOT NULL -- like every time here: milliseconds since 1970, UTC
) STRICT, WITHOUT ROWID;

-- A pair of users with at least one message; first <= second, equal for notes to self.
CREATE TABLE conversations (
    id             INTEGER PRIMARY KEY,
    first          BLOB NOT NULL CHECK (length(first) = 16),
    second         BLOB NOT NULL CHECK (length(second) = 16),
    last_seq       INTEGER NOT NULL,
    last_at        INTEGER NOT NULL,
    first_seen     INTEGER NOT NULL DEFAULT 0, -- what the first user has seen: up to this seq
    first_seen_at  INTEGER NOT NULL DEFAULT 0,
    second_seen    INTEGER NOT NULL DEFAULT 0,
    second_seen_at INTEGER NOT NULL DEFAULT 0,
    UNIQUE (first, second),
    CHECK (first <= second)
) STRICT;
-- A user's conversations are the merge of these two, each read from its newest end.
CREATE INDEX conversations_of_first ON conversations (first, last_at, second);
CREATE INDEX conversations_of_second ON conversations (second, last_at, first);

CREATE TABLE messages (
    conversation INTEGER NOT NULL REFERENCES conversations (id),
    seq          INTEGER NOT NULL,
    sender       BLOB NOT NULL CHECK (length(sender) = 16),
    by_first     INTEGER NOT NULL, -- how many of 1..seq the first user sent: makes unread O(1)
    at           INTEGER NOT NULL,
    client_id    TEXT,
    content      TEXT NOT NULL,
    PRIMARY KEY (conversation, seq)
) STRICT, WITHOUT ROWID;
-- A retry is not a duplicate.
CREATE UNIQUE INDEX messages_by_client_id ON messages (sender, client_id)
    WHERE client_id IS NOT NULL;
",
    "
-- The labels of the entries that changed the message, with commas between them; NULL for none.
ALTER TABLE messages ADD COLUMN changed_by TEXT;
",
    "
-- With the one that UNIQUE (first, second) makes: a user's conversations in the order of their peers.
CREATE INDEX conversations_by_second ON conversations (second, first);
",
    "
ALTER TABLE accounts ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0; -- tokens of another are refused
ALTER TABLE accounts ADD COLUMN disabled_at INTEGER;
ALTER TABLE accounts ADD COLUMN deleted_at INTEGER;
-- The place of the account's last change among those of all: what each process learns them by.
ALTER TABLE accounts ADD COLUMN change INTEGER;
CREATE UNIQUE INDEX accounts_by_change ON accounts (change) WHERE change IS NOT NULL;
",
];

/// The tables that a database of the present version has.
pub(super) const TABLES: [&str; 3] = ["accounts", "conversations", "messages"];
