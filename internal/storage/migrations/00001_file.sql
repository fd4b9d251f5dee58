-- +goose Up
CREATE TABLE milepost.file (
    key      text COLLATE "C" PRIMARY KEY,
    value    bytea NOT NULL,
    modified timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE milepost.file IS 'certificates with their private keys, the ACME account, agreed serials';
