import { z } from 'zod'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import type { AuditRecord } from '../../audit/audit-record.ts'
import type { AdministrationParts } from '../administration-parts.ts'
import { defineRoute } from '../route.ts'

const seq = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const text = z.string().min(1).max(200)
const time = z.number().int().min(0).max(8_640_000_000_000_000)

/** Most records looked through for one page: the cost of a filter that few records match. */
const MAX_SCANNED = 10_000
const PAGE = 1000

const querySchema = z.strictObject({
  tenant_id: tenantIdSchema.optional(),
  after_seq: seq.optional(),
  before_seq: seq.optional(),
  newest_first: z.boolean().default(false),
  limit: z.number().int().min(1).max(PAGE).default(100),
  /** A whole name: `user:alice`. */
  actor: text.optional(),
  /** A whole action, or the beginning of an action and a `*`: `policy.*`. */
  action: text.optional(),
  object: text.optional(),
  outcome: text.optional(),
  /** Unix milliseconds, both included. */
  since: time.optional(),
  until: time.optional(),
})
type Query = z.output<typeof querySchema>

/**
 * A record of the audit trail. `hash` covers all else, `prev_hash` included. `npm run audit:verify` checks the hashes.
 */
const auditEntrySchema = z.object({
  /** Counts over all tenants. */
  seq: z.number().int().min(1),
  /** `_hub` for records about the hub itself. */
  tenant_id: z.string(),
  /** Unix milliseconds. */
  at: z.number(),
  actor: z.string(),
  action: z.string(),
  object: z.string(),
  outcome: z.string(),
  detail: z.record(z.string(), z.unknown()),
  prev_hash: z.string(),
  hash: z.string(),
})

export const listAudit = ({ store }: Pick<AdministrationParts, 'store'>) =>
  defineRoute({
    method: 'get',
    path: '/v1/audit',
    summary: 'Read the audit trail',
    description: `Who did what, when, and how it ended. A filter looks through ${MAX_SCANNED} records a page: where fewer fit, a page may be short or empty and still have a \`next_seq\`, to go on with as \`after_seq\` (\`before_seq\` with \`newest_first\`).`,
    action: 'audit.read',
    cost: 'decide',
    query: querySchema,
    answer: {
      status: 200,
      schema: z.object({ records: z.array(auditEntrySchema), next_seq: z.number().int().nullable() }),
    },
    errors: ['tenant_not_found'],
    handle: async ({ tenantFilter, signal }, { query }) => {
      const { newest_first, limit } = query
      const records: AuditRecord[] = []
      let { after_seq, before_seq } = query
      for (let scanned = 0; scanned < MAX_SCANNED; ) {
        signal.throwIfAborted()
        const page = await store.auditPage(tenantFilter, { after_seq, before_seq, newest_first, limit: PAGE })
        for (const record of page) {
          if (fits(record, query)) records.push(record)
          if (records.length === limit) return { records, next_seq: record.seq }
        }
        const last = page.at(-1)
        if (!last || page.length < PAGE) return { records, next_seq: null }
        if (newest_first) before_seq = last.seq
        else after_seq = last.seq
        scanned += page.length
      }
      return { records, next_seq: (newest_first ? before_seq : after_seq) ?? null }
    },
  })

function fits(record: AuditRecord, { actor, action, object, outcome, since, until }: Query): boolean {
  return (
    is(record.actor, actor) &&
    is(record.action, action) &&
    is(record.object, object) &&
    is(record.outcome, outcome) &&
    (since === undefined || record.at >= since) &&
    (until === undefined || record.at <= until)
  )
}

function is(value: string, wanted: string | undefined): boolean {
  if (wanted === undefined) return true
  return wanted.endsWith('*') ? value.startsWith(wanted.slice(0, -1)) : value === wanted
}
