-- The sample CRM's keys, indexes, view and triggers, made when its rows are there.
SET maintenance_work_mem = '256MB';
ALTER TABLE users ADD PRIMARY KEY (id), ADD UNIQUE (login);
ALTER TABLE products ADD PRIMARY KEY (id), ADD UNIQUE (sku);
ALTER TABLE accounts ADD PRIMARY KEY (id), ADD UNIQUE (number);
ALTER TABLE contacts ADD PRIMARY KEY (id);
ALTER TABLE opportunities ADD PRIMARY KEY (id);
ALTER TABLE activities ADD PRIMARY KEY (id);
ALTER TABLE audit_log ADD PRIMARY KEY (id);
ALTER TABLE notes ADD PRIMARY KEY (id);

CREATE INDEX accounts_name_key ON accounts (name_key);
CREATE INDEX accounts_attributes ON accounts USING gin (attributes jsonb_path_ops);
CREATE INDEX contacts_account ON contacts (account_id);
CREATE INDEX contacts_phone ON contacts (phone);
CREATE INDEX opportunities_account ON opportunities (account_id);
CREATE INDEX opportunities_open ON opportunities (close_date) WHERE stage NOT IN ('won', 'lost');
CREATE INDEX activities_account ON activities (account_id);
CREATE INDEX activities_contact ON activities (contact_id, starts_at DESC);
CREATE INDEX audit_log_entity ON audit_log (entity, entity_id);
CREATE INDEX notes_account ON notes (account_id);

ALTER TABLE accounts ADD FOREIGN KEY (owner_id) REFERENCES users;
ALTER TABLE contacts ADD FOREIGN KEY (account_id) REFERENCES accounts;
ALTER TABLE opportunities ADD FOREIGN KEY (account_id) REFERENCES accounts,
    ADD FOREIGN KEY (contact_id) REFERENCES contacts, ADD FOREIGN KEY (owner_id) REFERENCES users;
ALTER TABLE activities ADD FOREIGN KEY (account_id) REFERENCES accounts,
    ADD FOREIGN KEY (contact_id) REFERENCES contacts,
    ADD FOREIGN KEY (opportunity_id) REFERENCES opportunities ON DELETE SET NULL,
    ADD FOREIGN KEY (owner_id) REFERENCES users;
ALTER TABLE notes ADD FOREIGN KEY (account_id) REFERENCES accounts ON DELETE CASCADE,
    ADD FOREIGN KEY (author_id) REFERENCES users;

CREATE VIEW pipeline AS
    SELECT owner_id, stage, currency, count(*) AS opportunities, sum(expected) AS expected
    FROM opportunities WHERE stage NOT IN ('won', 'lost') GROUP BY owner_id, stage, currency;
COMMENT ON TABLE contacts IS 'People at customers: personal data, see the register of processing';
COMMENT ON COLUMN contacts.id_number IS 'Identity card or passport';

CREATE FUNCTION count_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER accounts_version BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION count_version();
CREATE TRIGGER contacts_version BEFORE UPDATE ON contacts FOR EACH ROW EXECUTE FUNCTION count_version();
CREATE TRIGGER opportunities_version BEFORE UPDATE ON opportunities FOR EACH ROW EXECUTE FUNCTION count_version();

CREATE FUNCTION record_stage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_log (at, entity, entity_id, action, changes)
    VALUES (NEW.updated_at, 'opportunities', NEW.id, 'stage', jsonb_build_object('old', OLD.stage, 'new', NEW.stage));
    RETURN NULL;
END $$;
CREATE TRIGGER opportunities_stage AFTER UPDATE OF stage ON opportunities FOR EACH ROW
    WHEN (OLD.stage IS DISTINCT FROM NEW.stage) EXECUTE FUNCTION record_stage();
