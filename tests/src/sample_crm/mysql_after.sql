-- The sample CRM's indexes, view, routines, triggers and event in MariaDB and MySQL, made when its rows are there.
ALTER TABLE users ADD UNIQUE (login);
ALTER TABLE products ADD UNIQUE (sku);
ALTER TABLE accounts ADD UNIQUE (number), ADD INDEX accounts_name_key (name_key), ADD INDEX accounts_owner (owner_id);
ALTER TABLE contacts ADD INDEX contacts_account (account_id), ADD INDEX contacts_phone (phone);
ALTER TABLE opportunities ADD INDEX opportunities_account (account_id), ADD INDEX opportunities_contact (contact_id),
    ADD INDEX opportunities_owner (owner_id), ADD INDEX opportunities_open (close_date);
ALTER TABLE activities ADD INDEX activities_account (account_id), ADD INDEX activities_contact (contact_id, starts_at),
    ADD INDEX activities_opportunity (opportunity_id), ADD INDEX activities_owner (owner_id);
ALTER TABLE audit_log ADD INDEX audit_log_entity (entity, entity_id);
ALTER TABLE notes ADD INDEX notes_account (account_id), ADD INDEX notes_author (author_id);

SET foreign_key_checks = 0;
ALTER TABLE accounts ADD FOREIGN KEY (owner_id) REFERENCES users (id);
ALTER TABLE contacts ADD FOREIGN KEY (account_id) REFERENCES accounts (id);
ALTER TABLE opportunities ADD FOREIGN KEY (account_id) REFERENCES accounts (id),
    ADD FOREIGN KEY (contact_id) REFERENCES contacts (id), ADD FOREIGN KEY (owner_id) REFERENCES users (id);
ALTER TABLE activities ADD FOREIGN KEY (account_id) REFERENCES accounts (id),
    ADD FOREIGN KEY (contact_id) REFERENCES contacts (id),
    ADD FOREIGN KEY (opportunity_id) REFERENCES opportunities (id) ON DELETE SET NULL,
    ADD FOREIGN KEY (owner_id) REFERENCES users (id);
ALTER TABLE notes ADD FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE,
    ADD FOREIGN KEY (author_id) REFERENCES users (id);
SET foreign_key_checks = 1;

CREATE VIEW pipeline AS
    SELECT owner_id, stage, currency, COUNT(*) AS opportunities, SUM(expected) AS expected
    FROM opportunities WHERE stage NOT IN ('won', 'lost') GROUP BY owner_id, stage, currency;

CREATE FUNCTION open_amount(account BIGINT UNSIGNED) RETURNS DECIMAL(16, 2) READS SQL DATA
    RETURN (SELECT SUM(amount) FROM opportunities WHERE account_id = account AND stage NOT IN ('won', 'lost'));
CREATE PROCEDURE close_stale(IN before_date DATE)
    UPDATE opportunities SET stage = 'lost' WHERE close_date < before_date AND stage NOT IN ('won', 'lost');
CREATE TRIGGER accounts_version BEFORE UPDATE ON accounts FOR EACH ROW SET NEW.version = OLD.version + 1;
CREATE TRIGGER contacts_version BEFORE UPDATE ON contacts FOR EACH ROW SET NEW.version = OLD.version + 1;
CREATE TRIGGER opportunities_version BEFORE UPDATE ON opportunities FOR EACH ROW SET NEW.version = OLD.version + 1;
DELIMITER //
CREATE TRIGGER opportunities_stage AFTER UPDATE ON opportunities FOR EACH ROW BEGIN
    IF OLD.stage <> NEW.stage THEN
        INSERT INTO audit_log (at, entity, entity_id, action, changes)
        VALUES (NEW.updated_at, 'opportunities', NEW.id, 'stage', JSON_OBJECT('old', OLD.stage, 'new', NEW.stage));
    END IF;
END //
DELIMITER ;
CREATE EVENT nightly_close ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 03:00:00' DISABLE DO CALL close_stale(CURRENT_DATE);
