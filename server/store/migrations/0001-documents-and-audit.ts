import type { Migration } from './migration.ts'

/** Both databases compare text byte by byte, whatever the locale of the cluster: pages must not depend on it. */
export const documentsAndAudit: Migration = {
  version: 1,
  name: 'documents and audit',
  statements: {
    sqlite: [
      `CREATE TABLE lanecast_document (
        kind TEXT NOT NULL,
        tenant_id TEXT NOT NULL,
        id TEXT NOT NULL,
        version INTEGER NOT NULL CHECK (version > 0),
        body TEXT NOT NULL,
        updated_at INTEGER NOT NULL,
        PRIMARY KEY (kind, tenant_id, id)
      ) STRICT`,
      `CREATE TABLE lanecast_audit (
        seq INTEGER PRIMARY KEY,
        tenant_id TEXT NOT NULL,
        at INTEGER NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        object TEXT NOT NULL,
        outcome TEXT NOT NULL,
        detail TEXT NOT NULL,
        prev_hash TEXT NOT NULL,
        hash TEXT NOT NULL
      ) STRICT`,
      'CREATE INDEX lanecast_audit_by_tenant ON lanecast_audit (tenant_id, seq)',
      `CREATE TRIGGER lanecast_audit_keeps_records BEFORE UPDATE ON lanecast_audit
        BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END`,
      `CREATE TRIGGER lanecast_audit_keeps_all_records BEFORE DELETE ON lanecast_audit
        BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END`,
      `CREATE TABLE lanecast_audit_head (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        seq INTEGER NOT NULL,
        hash TEXT NOT NULL,
        key_id TEXT,
        seal TEXT
      ) STRICT`,
      `INSERT INTO lanecast_audit_head (id, seq, hash) VALUES (1, 0, '${'0'.repeat(64)}')`,
    ],
    postgres: [
      `CREATE TABLE lanecast_document (
        kind TEXT COLLATE "C" NOT NULL,
        tenant_id TEXT COLLATE "C" NOT NULL,
        id TEXT COLLATE "C" NOT NULL,
        version INTEGER NOT NULL CHECK (version > 0),
        body TEXT NOT NULL,
        updated_at BIGINT NOT NULL,
        PRIMARY KEY (kind, tenant_id, id)
      )`,
      `CREATE TABLE lanecast_audit (
        seq BIGINT PRIMARY KEY,
        tenant_id TEXT COLLATE "C" NOT NULL,
        at BIGINT NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        object TEXT NOT NULL,
        outcome TEXT NOT NULL,
        detail TEXT NOT NULL,
        prev_hash TEXT NOT NULL,
        hash TEXT NOT NULL
      )`,
      'CREATE INDEX lanecast_audit_by_tenant ON lanecast_audit (tenant_id, seq)',
      `CREATE FUNCTION lanecast_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END $$`,
      `CREATE TRIGGER lanecast_audit_keeps_records BEFORE UPDATE OR DELETE OR TRUNCATE ON lanecast_audit
        FOR EACH STATEMENT EXECUTE FUNCTION lanecast_audit_is_append_only()`,
      `CREATE TABLE lanecast_audit_head (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        seq BIGINT NOT NULL,
        hash TEXT NOT NULL,
        key_id TEXT,
        seal TEXT
      )`,
      `INSERT INTO lanecast_audit_head (id, seq, hash) VALUES (1, 0, '${'0'.repeat(64)}')`,
    ],
  },
}
