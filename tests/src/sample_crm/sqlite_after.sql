-- The sample CRM's indexes, view, full-text search and triggers in SQLite, made when its rows are there.
CREATE INDEX accounts_name_key ON accounts (name_key);
CREATE INDEX contacts_account ON contacts (account_id);
CREATE INDEX contacts_phone ON contacts (phone);
CREATE INDEX opportunities_account ON opportunities (account_id);
CREATE INDEX opportunities_open ON opportunities (close_date) WHERE stage NOT IN ('won', 'lost');
CREATE INDEX activities_account ON activities (account_id);
CREATE INDEX audit_log_entity ON audit_log (entity, entity_id);

CREATE VIEW pipeline AS
    SELECT owner_id, stage, currency, count(*) AS opportunities, sum(expected) AS expected
    FROM opportunities WHERE stage NOT IN ('won', 'lost') GROUP BY owner_id, stage, currency;

CREATE VIRTUAL TABLE notes_search USING fts5 (title, body, content = 'notes', content_rowid = 'id', tokenize = 'trigram');
INSERT INTO notes_search (notes_search) VALUES ('rebuild');
CREATE TRIGGER notes_added AFTER INSERT ON notes BEGIN
    INSERT INTO notes_search (rowid, title, body) VALUES (new.id, new.title, new.body);
END;
CREATE TRIGGER notes_removed AFTER DELETE ON notes BEGIN
    INSERT INTO notes_search (notes_search, rowid, title, body) VALUES ('delete', old.id, old.title, old.body);
END;

CREATE TRIGGER accounts_version AFTER UPDATE OF phone, revenue ON accounts BEGIN
    UPDATE accounts SET version = old.version + 1 WHERE id = new.id;
END;
CREATE TRIGGER contacts_version AFTER UPDATE OF email, phone ON contacts BEGIN
    UPDATE contacts SET version = old.version + 1 WHERE id = new.id;
END;
CREATE TRIGGER opportunities_version AFTER UPDATE OF stage, amount ON opportunities BEGIN
    UPDATE opportunities SET version = old.version + 1 WHERE id = new.id;
END;
CREATE TRIGGER opportunities_stage AFTER UPDATE OF stage ON opportunities WHEN old.stage <> new.stage BEGIN
    INSERT INTO audit_log (at, entity, entity_id, action, changes)
    VALUES (new.updated_at, 'opportunities', new.id, 'stage', json_object('old', old.stage, 'new', new.stage));
END;
