import type { Migration } from './migration.ts'

const columns = (integer: string): string[] => [
  `ALTER TABLE lanecast_audit_head ADD COLUMN start_seq ${integer} NOT NULL DEFAULT 0`,
  `ALTER TABLE lanecast_audit_head ADD COLUMN start_hash TEXT NOT NULL DEFAULT '${'0'.repeat(64)}'`,
  'ALTER TABLE lanecast_audit_head ADD COLUMN start_seal TEXT',
]

/** Where the chain begins in the database. Earlier records are in archive files, and only those may be deleted. */
export const auditStart: Migration = {
  version: 3,
  name: 'audit start',
  statements: {
    sqlite: [
      ...columns('INTEGER'),
      'DROP TRIGGER IF EXISTS lanecast_audit_keeps_all_records',
      `CREATE TRIGGER lanecast_audit_keeps_all_records BEFORE DELETE ON lanecast_audit
        WHEN OLD.seq > coalesce((SELECT start_seq FROM lanecast_audit_head WHERE id = 1), 0)
        BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END`,
    ],
    postgres: [
      ...columns('BIGINT'),
      'DROP TRIGGER IF EXISTS lanecast_audit_keeps_records ON lanecast_audit',
      `CREATE TRIGGER lanecast_audit_keeps_records BEFORE UPDATE OR TRUNCATE ON lanecast_audit
        FOR EACH STATEMENT EXECUTE FUNCTION lanecast_audit_is_append_only()`,
      `CREATE FUNCTION lanecast_audit_keeps_what_is_not_archived() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN
          IF OLD.seq > coalesce((SELECT start_seq FROM lanecast_audit_head WHERE id = 1), 0) THEN
            RAISE EXCEPTION 'the audit trail is append-only';
          END IF;
          RETURN OLD;
        END $$`,
      `CREATE TRIGGER lanecast_audit_keeps_all_records BEFORE DELETE ON lanecast_audit
        FOR EACH ROW EXECUTE FUNCTION lanecast_audit_keeps_what_is_not_archived()`,
    ],
  },
}
