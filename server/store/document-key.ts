import type { DocumentKey } from './store.ts'

const NAME = /^[\x21-\x7e]{1,64}$/
const ID = /^[\x21-\x7e]{1,256}$/

export function isName(name: string): boolean {
  return NAME.test(name)
}

export function isDocumentKey({ kind, tenant_id, id }: DocumentKey): boolean {
  return isName(kind) && isName(tenant_id) && ID.test(id)
}

/** The name of a document in messages. */
export function documentName({ kind, tenant_id, id }: DocumentKey): string {
  return `${kind} "${tenant_id}/${id}"`
}
