import test from 'ava'
import { METHOD } from '../../common/stun/stun-types.ts'
import { TurnServer } from '../../turn/turn-server.ts'
import { codeOf, TurnClient, udpTransport } from '../support/turn-client.ts'
import { turnStart, turnUser } from '../support/turn-rig.ts'

const USERS = [
  { what: 'a wrong credential', user: turnUser({ secret: 'another' }) },
  { what: 'an expired credential', user: turnUser({ lifeS: -1 }) },
  { what: "an ended contract's credential", user: turnUser({ contract: 'over' }) },
  { what: 'a good credential', user: turnUser() },
]

for (const { what, user } of USERS)
  test(`who has not shown that the address is theirs is told nowhere: ${what}`, async (t) => {
    await using server = await TurnServer.open(turnStart({ ended: ['over'] }))
    await using client = await TurnClient.udp(server.bound.udp[0]!, user)
    await client.challenge()
    // Who writes a foreign address on a datagram never sees the nonce.
    client.nonce = 'A'.repeat(client.nonce.length)
    t.is(codeOf(await client.request(METHOD.allocate, udpTransport)), 438)
    t.deepEqual(server.refusals(), [])
    t.is(server.report().refused['stale_nonce'], 1)
  })
