import type { AdministrationParts } from '../administration-parts.ts'
import type { FieldSenders } from './field-senders.ts'

/** What the routes about field senders need of the hub. */
export interface FieldParts extends FieldSenders, Pick<AdministrationParts, 'topology' | 'now'> {}
