import { createHash, randomBytes } from 'node:crypto'

/** A secret of one contract, 192 bits: whoever shows it at one of the hub's doors is let in. */
export function newTicket(): string {
  return randomBytes(24).toString('base64url')
}

/** What is kept of a ticket where it is looked up: how long that takes then tells nothing of it. */
export function hashOf(ticket: string): string {
  return createHash('sha256').update(ticket).digest('base64url')
}
