import { ANONYMOUS, type AuthenticatedPrincipal } from '../../auth/principal.ts'
import { hashOf } from '../../flows/ticket.ts'
import type { ApiParts } from '../mount.ts'

const TICKET = /^Bearer +([A-Za-z0-9_-]{32})$/i

/** Whom a ticket was given to. */
export interface TicketHolder {
  /** Without a token. */
  readonly anonymous: boolean
}

/** At the doors of WHIP and WHEP the ticket of a contract is as good as the token that it was granted for. */
export class DoorTickets {
  readonly #tickets = new WeakMap<AuthenticatedPrincipal, { readonly text: string } & TicketHolder>()
  readonly #holderOf: (text: string) => TicketHolder | undefined

  /** @param holderOf whom a ticket was given to; undefined for what is no ticket */
  constructor(holderOf: (text: string) => TicketHolder | undefined) {
    this.#holderOf = holderOf
  }

  /** The ticket that somebody came with; undefined for a token or nothing. */
  of(principal: AuthenticatedPrincipal): string | undefined {
    return this.#tickets.get(principal)?.text
  }

  /** Who a session belongs to, so that nobody else changes it; null for those who proved nothing. */
  ownerOf(principal: AuthenticatedPrincipal): string | null {
    const ticket = this.of(principal)
    if (ticket !== undefined) return `ticket ${hashOf(ticket)}`
    return principal.role === 'anonymous' ? null : `${principal.tenant_id} ${principal.role} ${principal.id}`
  }

  /** Whether somebody has neither a token nor a ticket that was granted for one: a ticket proves no more than that did. */
  isAnonymous(principal: AuthenticatedPrincipal): boolean {
    return this.#tickets.get(principal)?.anonymous ?? principal.role === 'anonymous'
  }

  /** Looks for tickets before it asks for tokens. */
  before(authenticator: ApiParts['authenticator']): ApiParts['authenticator'] {
    return {
      ...authenticator,
      authenticate: async (credentials) => {
        const text = TICKET.exec(credentials.authorization ?? '')?.[1]
        const holder = text === undefined ? undefined : this.#holderOf(text)
        if (text === undefined || holder === undefined) return authenticator.authenticate(credentials)
        const principal = { ...ANONYMOUS, id: 'ticket' }
        this.#tickets.set(principal, { text, anonymous: holder.anonymous })
        return principal
      },
    }
  }
}
