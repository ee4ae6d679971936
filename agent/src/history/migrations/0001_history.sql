-- Times are milliseconds since 1970, UTC. The source is empty for work on the vault as a whole.

-- Every run, by schedule, by hand, or known from a manifest only.
CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    task TEXT NOT NULL,
    source TEXT NOT NULL,
    origin TEXT NOT NULL,      -- schedule, hand, vault
    slot INTEGER,              -- which slot it is for
    attempt INTEGER NOT NULL,
    started INTEGER NOT NULL,
    finished INTEGER,
    outcome TEXT NOT NULL,     -- running, good, partial, held, failed, stopped, killed
    exit_code INTEGER,
    error TEXT,
    snapshot TEXT,
    point INTEGER,             -- the time of the snapshot's point
    rows INTEGER,
    raw_bytes INTEGER,
    new_raw_bytes INTEGER,
    stored_bytes INTEGER,
    progress TEXT              -- the last line about it, while it runs
) WITHOUT ROWID;
CREATE INDEX runs_by_job ON runs (task, source, started);

-- What became of every slot that came due.
CREATE TABLE slots (
    task TEXT NOT NULL,
    source TEXT NOT NULL,
    slot INTEGER NOT NULL,
    outcome TEXT NOT NULL,     -- ran, failed, partial, missed, held
    run TEXT,
    PRIMARY KEY (task, source, slot)
) WITHOUT ROWID;

-- Where the scheduler is with each job.
CREATE TABLE places (
    task TEXT NOT NULL,
    source TEXT NOT NULL,
    seen_until INTEGER NOT NULL,
    last INTEGER,
    slot INTEGER,              -- the one that is open, with what follows
    attempts INTEGER,
    not_before INTEGER,
    running INTEGER,
    PRIMARY KEY (task, source)
) WITHOUT ROWID;

-- One row when what the vault knows of past runs has been taken over.
CREATE TABLE recalled (at INTEGER NOT NULL);
