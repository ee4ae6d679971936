CREATE ROLE sales NOLOGIN;
CREATE ROLE backup LOGIN;
CREATE EXTENSION pg_trgm;
CREATE SCHEMA "we""ird 名字";
CREATE TYPE mood AS ENUM ('sad', 'it''s ok', 'happy');
CREATE TYPE address AS (street text, town text);
CREATE DOMAIN email AS text CHECK (VALUE ~ '@');
CREATE SEQUENCE untouched;
CREATE SEQUENCE counted START 7 INCREMENT 3;
SELECT nextval('counted');
CREATE FUNCTION shout(t text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper(t)';
CREATE TABLE contacts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL DEFAULT 'nobody',
  mail email,
  feeling mood,
  home address,
  tags text[],
  extra jsonb,
  loud text GENERATED ALWAYS AS (shout(name)) STORED
);
COMMENT ON TABLE contacts IS E'who we know;\n\\! echo nothing */ --';
ALTER TABLE contacts OWNER TO sales;
CREATE INDEX contacts_by_shout ON contacts (shout(name));
CREATE INDEX contacts_by_trigram ON contacts USING gin (name public.gin_trgm_ops);
INSERT INTO contacts (name, mail, feeling, home, tags, extra) VALUES
  (E'tab\there', 'a@b', 'it''s ok', ROW('1, "High" St', E'back\\slash'), ARRAY['a,b', NULL, '"q"', E'new\nline'], '{"k": [1, null]}'),
  (E'\\N', NULL, NULL, NULL, '{}', NULL),
  (E'\\.', 'x@y', 'sad', ROW(NULL, ''), NULL, '"\\u00e9"'),
  ('', 'e@e', 'happy', NULL, ARRAY['']::text[], '1e400'),
  ('🛟 救生艇 */', 'é@ü', NULL, NULL, NULL, 'null');
CREATE TABLE deals (
  id int PRIMARY KEY,
  contact bigint REFERENCES contacts,
  parent int REFERENCES deals DEFERRABLE INITIALLY DEFERRED,
  amount numeric CHECK (amount > -1 OR amount = 'NaN'),
  r real, d double precision, happened timestamptz, spell interval, raw bytea, span int4range, m money, x xml,
  EXCLUDE USING gist (span WITH &&)
);
INSERT INTO deals VALUES
  (1, 1, 2, 'NaN', 'NaN', 'Infinity', 'infinity', '-1 year 2 days 03:04:05.678', '\x000102ff5c', '[1,5)', '12.34', '<a>&amp;</a>'),
  (2, 2, NULL, 12345678901234567890.0987654321, 1e-40, '-Infinity', '-infinity', NULL, '\x', '[7,)', NULL, NULL),
  (3, 5, 1, 'Infinity', 0.1, 0.1::float8 + 0.2, '4713-01-01 00:00:00+00 BC', '178000000 years', NULL, 'empty', '-0.01', 'plain');
CREATE TABLE "we""ird 名字"."ta ble
*/ 'x' \ 🦑" ("co""l
umn" int, "select" text, "\" text);
INSERT INTO "we""ird 名字"."ta ble
*/ 'x' \ 🦑" VALUES (1, 'one', E'\b\f\v'), (NULL, NULL, NULL);
CREATE TABLE nothing_in_it ();
INSERT INTO nothing_in_it DEFAULT VALUES;
INSERT INTO nothing_in_it DEFAULT VALUES;
INSERT INTO nothing_in_it DEFAULT VALUES;
CREATE TABLE only_generated (one int GENERATED ALWAYS AS (1) STORED);
INSERT INTO only_generated DEFAULT VALUES;
CREATE TABLE dropped_column (a int, b int, c int);
INSERT INTO dropped_column VALUES (1, 2, 3);
ALTER TABLE dropped_column DROP COLUMN b;
CREATE TABLE events (at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE events_rest PARTITION OF events DEFAULT;
CREATE INDEX ON events (at);
INSERT INTO events SELECT '2024-12-01'::date + i, 'event ' || i FROM generate_series(1, 500) i;
CREATE TABLE parent (a int);
CREATE TABLE child (b int) INHERITS (parent);
INSERT INTO parent VALUES (1);
INSERT INTO child VALUES (2, 3);
CREATE UNLOGGED TABLE scratchpad AS SELECT 1 AS one;
CREATE VIEW happy_contacts AS SELECT * FROM contacts WHERE feeling = 'happy';
CREATE MATERIALIZED VIEW b_names AS SELECT name FROM contacts;
CREATE MATERIALIZED VIEW a_names AS SELECT count(*) FROM b_names;
CREATE MATERIALIZED VIEW unfilled AS SELECT 1 AS one WITH NO DATA;
CREATE STATISTICS deal_stats ON contact, amount FROM deals;
CREATE FUNCTION no_more() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'fired'; END$$;
CREATE TRIGGER never BEFORE INSERT OR TRUNCATE ON deals FOR EACH STATEMENT EXECUTE FUNCTION no_more();
CREATE RULE silent AS ON DELETE TO deals DO INSTEAD NOTHING;
ALTER TABLE contacts ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON contacts TO sales USING (name = current_user);
GRANT SELECT ON deals TO sales;
GRANT USAGE ON SCHEMA "we""ird 名字" TO sales;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO sales;
CREATE PUBLICATION everything FOR ALL TABLES;
SELECT lo_from_bytea(4200, '\xdeadbeef00ff');
SELECT lo_create(4201);
SELECT lo_from_bytea(4202, decode(repeat('ab', 700000), 'hex'));
SELECT lo_put(lo_create(4203), 1000000, '\x01');
ALTER LARGE OBJECT 4200 OWNER TO sales;
GRANT SELECT ON LARGE OBJECT 4201 TO sales;
COMMENT ON LARGE OBJECT 4202 IS 'it''s large';
