import test from 'ava'
import { DoorTickets } from '../../../server/api/doors/door-tickets.ts'
import { ANONYMOUS, type AuthenticatedPrincipal } from '../../../server/auth/principal.ts'

const ALICE: AuthenticatedPrincipal = { ...ANONYMOUS, id: 'alice', role: 'viewer', tenant_id: 'default' }

test('a ticket proves no more than its holder did', async (t) => {
  const holders: Record<string, { anonymous: boolean }> = {
    ['a'.repeat(32)]: { anonymous: true },
    ['n'.repeat(32)]: { anonymous: false },
  }
  const tickets = new DoorTickets((text) => holders[text])
  const { authenticate } = tickets.before({
    authenticate: async ({ authorization }) => (authorization === undefined ? ANONYMOUS : ALICE),
  })
  const who = async (bearer: string | null) => {
    const authorization = bearer === null ? undefined : `Bearer ${bearer}`
    const principal = await authenticate({ authorization, certificate: undefined })
    return [tickets.isAnonymous(principal), tickets.ownerOf(principal)?.split(' ')[0]]
  }
  t.deepEqual(await who('a'.repeat(32)), [true, 'ticket'])
  t.deepEqual(await who('n'.repeat(32)), [false, 'ticket'])
  t.deepEqual(await who(null), [true, undefined])
  t.deepEqual(await who('a token'), [false, 'default'])
})
