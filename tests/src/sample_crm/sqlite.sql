-- The sample CRM's tables in SQLite, with what only SQLite has: FTS5, WITHOUT ROWID, STRICT, typeless columns.
PRAGMA application_id = 1129466177;
PRAGMA user_version = 7;

CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT, login TEXT NOT NULL UNIQUE, full_name TEXT NOT NULL, email TEXT NOT NULL,
    branch TEXT NOT NULL, active INTEGER NOT NULL DEFAULT 1, avatar BLOB, created_at TEXT NOT NULL
) STRICT;
CREATE TABLE products (
    id INTEGER PRIMARY KEY, sku TEXT NOT NULL UNIQUE, name TEXT NOT NULL, category TEXT NOT NULL,
    unit_price REAL NOT NULL CHECK (unit_price >= 0), active BOOLEAN NOT NULL DEFAULT 1, description, created_at TIMESTAMP
);
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY, number TEXT NOT NULL UNIQUE, name TEXT NOT NULL COLLATE NOCASE, kind TEXT NOT NULL DEFAULT 'prospect',
    tax_number TEXT, industry TEXT, city TEXT, address TEXT, phone TEXT, website TEXT, revenue NUMERIC,
    owner_id INTEGER NOT NULL REFERENCES users (id), attributes TEXT NOT NULL DEFAULT '{}',
    created_at TIMESTAMP NOT NULL, updated_at TIMESTAMP NOT NULL, version INTEGER NOT NULL DEFAULT 1,
    name_key TEXT GENERATED ALWAYS AS (lower(name)) STORED
);
CREATE TABLE contacts (
    id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL REFERENCES accounts (id), name TEXT NOT NULL, title TEXT,
    email TEXT CHECK (email LIKE '%_@_%'), phone TEXT, id_number TEXT, birthday DATE, address TEXT,
    consent BOOLEAN NOT NULL DEFAULT 0, attributes TEXT, created_at TIMESTAMP NOT NULL, updated_at TIMESTAMP NOT NULL,
    version INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE opportunities (
    id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL REFERENCES accounts (id),
    contact_id INTEGER NOT NULL REFERENCES contacts (id), owner_id INTEGER NOT NULL REFERENCES users (id),
    name TEXT NOT NULL, stage TEXT NOT NULL DEFAULT 'lead', amount NUMERIC NOT NULL, currency TEXT NOT NULL DEFAULT 'CNY',
    probability INTEGER NOT NULL CHECK (probability BETWEEN 0 AND 100), close_date DATE, lines TEXT NOT NULL DEFAULT '[]',
    created_at TIMESTAMP NOT NULL, updated_at TIMESTAMP NOT NULL, version INTEGER NOT NULL DEFAULT 1,
    expected NUMERIC GENERATED ALWAYS AS (amount * probability / 100) VIRTUAL
);
CREATE TABLE activities (
    id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL REFERENCES accounts (id),
    contact_id INTEGER NOT NULL REFERENCES contacts (id),
    opportunity_id INTEGER REFERENCES opportunities (id) ON DELETE SET NULL,
    owner_id INTEGER NOT NULL REFERENCES users (id), kind TEXT NOT NULL, subject TEXT NOT NULL, body TEXT,
    starts_at TIMESTAMP NOT NULL, seconds INTEGER NOT NULL DEFAULT 0, done BOOLEAN NOT NULL DEFAULT 0, external_id TEXT,
    created_at TIMESTAMP NOT NULL
);
CREATE TABLE audit_log (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TIMESTAMP NOT NULL, user_id INTEGER, entity TEXT NOT NULL,
    entity_id INTEGER NOT NULL, action TEXT NOT NULL, changes TEXT, address TEXT
);
CREATE TABLE notes (
    id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    author_id INTEGER NOT NULL REFERENCES users (id), title TEXT NOT NULL, body TEXT NOT NULL, created_at TIMESTAMP NOT NULL
);
CREATE TABLE settings (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO settings VALUES ('currency', 'CNY'), ('fiscal_year_start', 4), ('rounding', 0.005), ('logo', x'89504e47'), ('motto', NULL);
