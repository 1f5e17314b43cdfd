import { ANONYMOUS, type AuthenticatedPrincipal } from '../../auth/principal.ts'
import { hashOf } from '../../flows/ticket.ts'
import type { ApiParts } from '../mount.ts'

const TICKET = /^Bearer +([A-Za-z0-9_-]{32})$/i

/** At the doors of WHIP and WHEP the ticket of a contract is as good as the token that it was granted for. */
export class DoorTickets {
  readonly #tickets = new WeakMap<AuthenticatedPrincipal, string>()
  readonly #isTicket: (text: string) => boolean

  constructor(isTicket: (text: string) => boolean) {
    this.#isTicket = isTicket
  }

  /** The ticket that somebody came with; undefined for a token or nothing. */
  of(principal: AuthenticatedPrincipal): string | undefined {
    return this.#tickets.get(principal)
  }

  /** Who a session belongs to, so that nobody else changes it; null for those who proved nothing. */
  ownerOf(principal: AuthenticatedPrincipal): string | null {
    const ticket = this.of(principal)
    if (ticket !== undefined) return `ticket ${hashOf(ticket)}`
    return principal.role === 'anonymous' ? null : `${principal.tenant_id} ${principal.role} ${principal.id}`
  }

  /** Looks for tickets before it asks for tokens. */
  before(authenticator: ApiParts['authenticator']): ApiParts['authenticator'] {
    return {
      ...authenticator,
      authenticate: async (credentials) => {
        const ticket = TICKET.exec(credentials.authorization ?? '')?.[1]
        if (ticket === undefined || !this.#isTicket(ticket)) return authenticator.authenticate(credentials)
        const principal = { ...ANONYMOUS, id: 'ticket' }
        this.#tickets.set(principal, ticket)
        return principal
      },
    }
  }
}
