-- +goose Up
CREATE TABLE milepost.provider (
    id      text COLLATE "C" PRIMARY KEY,
    file    text NOT NULL,
    changed timestamptz NOT NULL
);
COMMENT ON TABLE milepost.provider IS 'provider files, by their ids';

CREATE TABLE milepost.domain (
    domain   text COLLATE "C" PRIMARY KEY CHECK (domain = lower(domain)),
    provider text NOT NULL,
    host     text NOT NULL DEFAULT '',
    name     text NOT NULL DEFAULT '',
    active   boolean NOT NULL DEFAULT true,
    changed  timestamptz NOT NULL
);
COMMENT ON TABLE milepost.domain IS 'domains, and to which provider each belongs';
COMMENT ON COLUMN milepost.domain.host IS 'in place of %MXHOST%';
COMMENT ON COLUMN milepost.domain.name IS 'in place of the provider''s display name';
COMMENT ON COLUMN milepost.domain.active IS 'false: as if the row were not there';
CREATE INDEX domain_changed ON milepost.domain (changed);
CREATE INDEX domain_provider ON milepost.domain (provider);

CREATE TABLE milepost.gone (
    domain  text COLLATE "C" PRIMARY KEY,
    changed timestamptz NOT NULL
);
COMMENT ON TABLE milepost.gone IS 'when rows of milepost.domain were deleted';
CREATE INDEX gone_changed ON milepost.gone (changed);

-- When a row changes is for this database's clock to say. No domain has a second twice,
-- for the second is the serial of its zones.
-- +goose StatementBegin
CREATE FUNCTION milepost.after(before timestamptz) RETURNS timestamptz LANGUAGE sql AS
    $$ SELECT greatest(clock_timestamp(), date_trunc('second', before) + interval '1 second') $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION milepost.note_domain() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before timestamptz;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO milepost.gone SELECT domain, milepost.after(changed) FROM milepost.domain
            ON CONFLICT (domain) DO UPDATE SET changed = excluded.changed;
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW IS NOT DISTINCT FROM OLD THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' OR TG_OP = 'UPDATE' AND NEW.domain <> OLD.domain THEN
        INSERT INTO milepost.gone VALUES (OLD.domain, milepost.after(OLD.changed))
            ON CONFLICT (domain) DO UPDATE SET changed = excluded.changed;
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        before := OLD.changed;
    END IF;
    IF TG_OP = 'INSERT' OR NEW.domain <> OLD.domain THEN
        DELETE FROM milepost.gone WHERE domain = NEW.domain RETURNING greatest(before, changed) INTO before;
    END IF;
    NEW.changed := milepost.after(before);
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER note BEFORE INSERT OR UPDATE OR DELETE ON milepost.domain FOR EACH ROW EXECUTE FUNCTION milepost.note_domain();
CREATE TRIGGER note_truncate BEFORE TRUNCATE ON milepost.domain FOR EACH STATEMENT EXECUTE FUNCTION milepost.note_domain();

-- +goose StatementBegin
CREATE FUNCTION milepost.note_provider() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW IS DISTINCT FROM OLD THEN
        NEW.changed := clock_timestamp();
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER note BEFORE INSERT OR UPDATE ON milepost.provider FOR EACH ROW EXECUTE FUNCTION milepost.note_provider();

-- +goose StatementBegin
CREATE FUNCTION milepost.tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('milepost', '');
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON milepost.domain FOR EACH STATEMENT EXECUTE FUNCTION milepost.tell();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON milepost.provider FOR EACH STATEMENT EXECUTE FUNCTION milepost.tell();
