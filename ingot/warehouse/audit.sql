CREATE SCHEMA IF NOT EXISTS audit;

-- One row per batch, from its manifest; or from its attempts, as long as it has none.
CREATE TABLE IF NOT EXISTS audit.batches (
    batch_id varchar(256) PRIMARY KEY,
    source varchar(64) NOT NULL,
    stream varchar(64) NOT NULL,
    interval_start timestamptz NOT NULL,
    interval_end timestamptz NOT NULL,
    state varchar(16) NOT NULL CHECK (state IN ('RUNNING', 'FAILED', 'COMMITTED', 'LOADED')),
    accepted bigint,
    rejected bigint,
    bytes bigint,
    seconds numeric(12,3),
    as_of timestamptz,
    contract_version varchar(32),
    code_version varchar(32),
    committed_at timestamptz,
    loaded_at timestamptz,
    load_id bigint,
    manifest_key varchar(512),
    manifest_sha256 char(64),
    error varchar(64),
    reason varchar(1000)
);
ALTER TABLE audit.batches
    ADD COLUMN IF NOT EXISTS mode varchar(16),
    -- Records that the source sent and that were known by their content; keys that a snapshot no longer held.
    ADD COLUMN IF NOT EXISTS unchanged bigint,
    ADD COLUMN IF NOT EXISTS deleted bigint,
    -- The object of the quarantine with its refused records.
    ADD COLUMN IF NOT EXISTS rejects_key varchar(512),
    -- Of a batch of records that were refused before: which batch and object they came from.
    ADD COLUMN IF NOT EXISTS resolved_batch_id varchar(256),
    ADD COLUMN IF NOT EXISTS resolved_key varchar(512),
    ADD COLUMN IF NOT EXISTS discarded bigint,
    -- Its records that pass now, and are in no table: a later one of their key, out of the same answer, is published.
    ADD COLUMN IF NOT EXISTS superseded bigint;
CREATE INDEX IF NOT EXISTS batches_resolved ON audit.batches (resolved_key);

-- One row per run of a step, whatever became of it.
CREATE TABLE IF NOT EXISTS audit.attempts (
    attempt_key varchar(512) PRIMARY KEY,
    batch_id varchar(256) NOT NULL,
    source varchar(64) NOT NULL,
    stream varchar(64) NOT NULL,
    step varchar(16) NOT NULL,
    state varchar(16) NOT NULL CHECK (state IN ('RUNNING', 'SUCCEEDED', 'FAILED')),
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    seconds numeric(12,3),
    error varchar(64),
    reason varchar(1000),
    transient boolean
);
-- Of the step's attempts at the batch, from 1: clocks may go back.
ALTER TABLE audit.attempts ADD COLUMN IF NOT EXISTS number integer NOT NULL DEFAULT 1;
CREATE INDEX IF NOT EXISTS attempts_batch ON audit.attempts (batch_id, started_at);

-- One row per violation of a refused record; the record itself is in the quarantine.
CREATE TABLE IF NOT EXISTS audit.rejects (
    quarantine_key varchar(512) NOT NULL,
    batch_id varchar(256) NOT NULL,
    position bigint NOT NULL,
    record_key varchar(128),
    path varchar(512) NOT NULL,
    rule varchar(32) NOT NULL,
    reason varchar(512) NOT NULL
);
ALTER TABLE audit.rejects
    -- Of a record that landed: the object and the file in it, the line or row, and the column or character.
    ADD COLUMN IF NOT EXISTS file varchar(2048),
    ADD COLUMN IF NOT EXISTS file_line bigint,
    ADD COLUMN IF NOT EXISTS file_column varchar(128);
CREATE INDEX IF NOT EXISTS rejects_object ON audit.rejects (quarantine_key);
CREATE INDEX IF NOT EXISTS rejects_batch ON audit.rejects (batch_id);

-- Violations of the records that wait for a decision: neither replayed nor discarded, and their batch was published.
CREATE OR REPLACE VIEW audit.open_rejects AS
SELECT rejects.*
FROM audit.rejects AS rejects
INNER JOIN audit.batches AS holders ON holders.rejects_key = rejects.quarantine_key
WHERE NOT EXISTS (
    SELECT 1 FROM audit.batches AS resolvers WHERE resolvers.resolved_key = rejects.quarantine_key
);
