import { CodedError } from '../../common/errors.ts'

export function storeClosed(): CodedError {
  return new CodedError('store_closed', 'the store is closed', { status: 503 })
}

/** Nobody can tell whether the transaction was committed. */
export function outcomeUnknown(cause: unknown): CodedError {
  return new CodedError('store_outcome_unknown', 'it is not known whether the write was made', {
    status: 503,
    cause,
    details: ['the database went away meanwhile: read the document before trying again'],
  })
}

/** Somebody removed the chain's head: what is recorded now could not be told from what was put in. */
export function auditHeadMissing(): CodedError {
  return new CodedError('audit_head_missing', "the audit trail's head is gone from the database", {
    status: 503,
    details: ['nothing that must be recorded is done until it is back: see what audit:verify says'],
  })
}
