import { createHash, randomBytes } from 'node:crypto'
import type { FlowKeys } from '../../common/wire/flow-contract.ts'
import type { AesBits } from '../../common/wire/ids.ts'

/** Fresh secrets of one flow: 190 bits each, in letters and digits that every sender's command line accepts. */
export function newFlowKeys(contractId: string, aesBits: AesBits): FlowKeys {
  return {
    passphrase: randomBytes(24).toString('base64url'),
    aes_bits: aesBits,
    username: contractId,
    password: randomBytes(24).toString('base64url'),
  }
}

/** A new contract's id. */
export function newContractId(): string {
  return `c-${randomBytes(12).toString('hex')}`
}

/** A secret of one contract, 192 bits. It lets its bearer in at the hub's doors. */
export function newTicket(): string {
  return randomBytes(24).toString('base64url')
}

/** What is kept of a ticket for look-ups: their time then says nothing about a ticket. */
export function hashOf(ticket: string): string {
  return createHash('sha256').update(ticket).digest('base64url')
}
