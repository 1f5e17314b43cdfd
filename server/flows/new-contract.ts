import { randomBytes } from 'node:crypto'
import type { FlowKeys } from '../../common/wire/flow-contract.ts'
import type { AesBits } from '../../common/wire/ids.ts'

/** Most links for a sender that the directory does not know. */
export const UNKNOWN_SENDER_LINKS = 2

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
