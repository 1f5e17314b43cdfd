import type { AuditKey } from '../audit/audit-chain.ts'
import type { PreparedWrite } from './prepared-write.ts'
import type { Outcomes, Refusal } from './write-plan.ts'

/** What the writer thread gets at its start. */
export interface WriterSetup {
  readonly file: string
  readonly auditKey: AuditKey | undefined
}

/** To the thread: a batch to commit, or the order to end. */
export type ToWriter =
  | { readonly type: 'commit'; readonly writes: readonly PreparedWrite[] }
  | { readonly type: 'close' }

/** From the thread: one message for each batch, in order. */
export type FromWriter =
  | { readonly type: 'done'; readonly outcomes: Outcomes }
  | { readonly type: 'failed'; readonly failure: Refusal; readonly cause: string }
