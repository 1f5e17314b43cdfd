import { ANONYMOUS, type AuthenticatedPrincipal } from '../../auth/principal.ts'
import { hashOf } from '../../flows/contract-secrets.ts'
import type { ApiParts } from '../api-parts.ts'

const TICKET = /^Bearer +([A-Za-z0-9_-]{32})$/i

/** The caller to whom a ticket was granted. */
export interface TicketHolder {
  /** The caller had no token. */
  readonly anonymous: boolean
}

/** At the doors of WHIP and WHEP the ticket of a contract is as good as the token that got the contract. */
export class DoorTickets {
  readonly #tickets = new WeakMap<AuthenticatedPrincipal, { readonly text: string } & TicketHolder>()
  readonly #holderOf: (text: string) => TicketHolder | undefined

  /** @param holderOf the holder of a ticket; undefined for a text that is no ticket */
  constructor(holderOf: (text: string) => TicketHolder | undefined) {
    this.#holderOf = holderOf
  }

  /** The ticket that the caller brought; undefined for a token or nothing. */
  of(principal: AuthenticatedPrincipal): string | undefined {
    return this.#tickets.get(principal)?.text
  }

  /** The owner of a session, so that nobody else can change the session; null for callers who proved nothing. */
  ownerOf(principal: AuthenticatedPrincipal): string | null {
    const ticket = this.of(principal)
    if (ticket !== undefined) return `ticket ${hashOf(ticket)}`
    return principal.role === 'anonymous' ? null : `${principal.tenant_id} ${principal.role} ${principal.id}`
  }

  /** Whether a caller has neither a token nor a ticket got by a token: a ticket proves no more than its holder did. */
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
