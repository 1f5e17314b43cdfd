import { createHash, randomBytes } from 'node:crypto'

/** A secret of one contract, 192 bits. It lets its bearer in at the hub's doors. */
export function newTicket(): string {
  return randomBytes(24).toString('base64url')
}

/** What is kept of a ticket for look-ups: their time then says nothing about a ticket. */
export function hashOf(ticket: string): string {
  return createHash('sha256').update(ticket).digest('base64url')
}
