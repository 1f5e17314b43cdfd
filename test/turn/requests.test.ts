import test, { type ExecutionContext } from 'ava'
import { Endpoint } from '../../common/net/endpoint.ts'
import { ATTRIBUTE, CLASS, METHOD } from '../../common/stun/stun-types.ts'
import type { StunWriter } from '../../common/stun/stun-writer.ts'
import type { TurnStart } from '../../common/wire/turn-ipc.ts'
import { TurnServer } from '../../turn/turn-server.ts'
import { addressOf, codeOf, SILENCE_MS, TurnClient, udpTransport } from '../support/turn-client.ts'
import { LIMITS, Peer, turnStart, turnUser } from '../support/turn-rig.ts'
import { until } from '../support/until.ts'

interface Rig {
  readonly t: ExecutionContext
  readonly server: TurnServer
  readonly client: TurnClient
  readonly peer: Peer
}

const none = () => {}
const peer4 = Endpoint.of('127.0.0.1', 9)
const family = (value: number) => (writer: StunWriter) =>
  writer.add(ATTRIBUTE.requestedAddressFamily, Buffer.of(value, 0, 0, 0))
/** What every Allocate has, and more. */
const and = (fill: (writer: StunWriter) => unknown) => (writer: StunWriter) => {
  udpTransport(writer)
  fill(writer)
}
const allocate = (client: TurnClient, fill: (writer: StunWriter) => void = () => {}) =>
  client.request(METHOD.allocate, (writer) => {
    udpTransport(writer)
    fill(writer)
  })

function over(
  name: string,
  run: (rig: Rig) => Promise<void>,
  start: Partial<Omit<TurnStart, 'type'>> = {},
): void {
  test(name, async (t) => {
    await using server = await TurnServer.open(turnStart(start))
    await using peer = await Peer.open()
    await using client = await TurnClient.udp(server.bound.udp[0]!, turnUser())
    await run({ t, server, client, peer })
    t.is(client.unproved, 0, 'answers prove themselves')
  })
}

/** An Allocate with these attributes, instead of those that it should have. */
for (const [name, code, fill] of [
  ['without a transport', 400, () => {}],
  ['for TCP', 442, (writer) => writer.add(ATTRIBUTE.requestedTransport, Buffer.of(6, 0, 0, 0))],
  [
    'with a transport of 3 bytes',
    400,
    (writer) => writer.add(ATTRIBUTE.requestedTransport, Buffer.of(17, 0, 0)),
  ],
  ['with an unknown attribute', 420, and((writer) => writer.uint32(0x0055, 1))],
  ['with an optional unknown one', 0, and((writer) => writer.uint32(0xc055, 1))],
  ['for IPv6, which is not served', 440, and((writer) => family(2)(writer))],
  ['for an unknown family', 440, and((writer) => family(3)(writer))],
  [
    'with a token and EVEN-PORT',
    400,
    (writer) => {
      udpTransport(writer)
      writer.add(ATTRIBUTE.evenPort, Buffer.of(0)).add(ATTRIBUTE.reservationToken, Buffer.alloc(8))
    },
  ],
  ['with an unknown token', 508, and((writer) => writer.add(ATTRIBUTE.reservationToken, Buffer.alloc(8)))],
  ['with a short token', 400, and((writer) => writer.add(ATTRIBUTE.reservationToken, Buffer.alloc(7)))],
  [
    'with an additional family and a family',
    400,
    (writer) => {
      udpTransport(writer)
      family(1)(writer)
      writer.add(ATTRIBUTE.additionalAddressFamily, Buffer.of(2, 0, 0, 0))
    },
  ],
  ['with DONT-FRAGMENT', 0, and((writer) => writer.add(ATTRIBUTE.dontFragment, Buffer.alloc(0)))],
] as const satisfies readonly (readonly [string, number, (writer: StunWriter) => unknown])[])
  over(`an Allocate ${name} is answered ${code}`, async ({ t, client }) => {
    await client.challenge()
    const answer = await client.request(METHOD.allocate, fill)
    t.is(codeOf(answer), code)
    if (code === 420) t.deepEqual(answer?.value(ATTRIBUTE.unknownAttributes), Buffer.of(0, 0x55))
  })

over(
  'an answer to Allocate has the addresses, the lifetime and a fingerprint if the request has one',
  async ({ t, client, server }) => {
    await client.challenge()
    const answer = await allocate(client)
    t.is(answer?.uint32(ATTRIBUTE.lifetime), 600)
    t.is(addressOf(answer!, ATTRIBUTE.xorMappedAddress)?.ip, '127.0.0.1')
    t.false(answer?.has(ATTRIBUTE.fingerprint))
    t.is(server.report().allocations, 1)
    const printed = await client.as(null, () =>
      client.request(METHOD.binding, (writer) => writer.fingerprint()),
    )
    t.true(printed?.has(ATTRIBUTE.fingerprint))
  },
)

over(
  'a second Allocate is a mismatch, and the same one again has the same answer',
  async ({ t, client, server }) => {
    await client.challenge()
    const transaction = Buffer.alloc(12, 7)
    const request = client.write(METHOD.allocate, udpTransport, transaction)
    const [first, again] = [
      await client.exchange(request, transaction),
      await client.exchange(request, transaction),
    ]
    t.is(codeOf(first), 0)
    t.deepEqual(
      addressOf(again!, ATTRIBUTE.xorRelayedAddress),
      addressOf(first!, ATTRIBUTE.xorRelayedAddress),
    )
    t.is(codeOf(await allocate(client)), 437)
    t.is(server.report().allocated_total, 1)
  },
)

for (const [name, method] of [
  ['Refresh', METHOD.refresh],
  ['CreatePermission', METHOD.createPermission],
  ['ChannelBind', METHOD.channelBind],
] as const)
  over(
    `${name} without an allocation is a mismatch, by another user wrong credentials`,
    async ({ t, client, server }) => {
      const fill = (writer: StunWriter) =>
        writer.uint32(ATTRIBUTE.channelNumber, 0x4000_0000).address(ATTRIBUTE.xorPeerAddress, peer4)
      await client.challenge()
      t.is(codeOf(await client.request(method, fill)), 437)
      await client.allocate()
      t.is(codeOf(await client.request(method, fill)), 0)
      const other = turnUser({ contract: 'c2' })
      t.is(codeOf(await client.as(other, () => client.request(method, fill))), 441)
      t.is(server.report().allocations, 1)
    },
  )

for (const [name, code, channel, peers] of [
  ['the first channel', 0, 0x4000, [peer4]],
  ['the last channel', 0, 0x7fff, [peer4]],
  ['a number below', 400, 0x3fff, [peer4]],
  ['a number above', 400, 0x8000, [peer4]],
  ['no peer', 400, 0x4000, []],
  ['a peer that is not ours', 403, 0x4000, [Endpoint.of('127.0.0.2', 9)]],
  ['a peer of the other family', 443, 0x4000, [Endpoint.of('::1', 9)]],
] as const)
  over(`ChannelBind with ${name} is answered ${code}`, async ({ t, client }) => {
    await client.allocate()
    const answer = await client.request(METHOD.channelBind, (writer) => {
      writer.uint32(ATTRIBUTE.channelNumber, channel * 65_536)
      for (const peer of peers) writer.address(ATTRIBUTE.xorPeerAddress, peer)
    })
    t.is(codeOf(answer), code)
  })

over('a channel keeps its peer, and a peer its channel', async ({ t, client }) => {
  await client.allocate()
  const other = Endpoint.of('127.0.0.1', 10)
  t.is(codeOf(await client.bind(0x4000, peer4)), 0)
  t.is(codeOf(await client.bind(0x4000, peer4)), 0, 'renewed')
  t.is(codeOf(await client.bind(0x4000, other)), 400)
  t.is(codeOf(await client.bind(0x4001, peer4)), 400)
  t.is(codeOf(await client.bind(0x4001, other)), 0)
})

for (const [name, code, peers] of [
  ['no peer', 400, []],
  ['one peer', 0, [peer4]],
  ['several, of which one is not ours', 403, [peer4, Endpoint.of('8.8.8.8', 9)]],
  ['several, of which one is of the other family', 443, [peer4, Endpoint.of('::1', 9)]],
] as const)
  over(`CreatePermission with ${name} is answered ${code}`, async ({ t, client, peer, server }) => {
    const relayed = await client.allocate()
    t.is(codeOf(await client.permit(...peers)), code)
    // All of them or none.
    peer.send(Buffer.from('x'), relayed)
    if (code === 0) await until(() => client.received.length === 1, 'the packet')
    else await until(() => server.report().packets_dropped === 1, 'the packet to be dropped')
    t.is(client.received.length, code === 0 ? 1 : 0)
  })

over('an own port is no peer: packets would go round in circles', async ({ t, client, server }) => {
  await client.allocate()
  const { ip, port } = server.bound.udp[0]!
  t.is(codeOf(await client.bind(0x4000, Endpoint.of(ip, port))), 403)
  t.is(codeOf(await client.permit(Endpoint.of(ip, port))), 0, 'a permission is for an address')
  client.send(
    Endpoint.of(ip, port),
    client.write(METHOD.binding, () => {}),
  )
  await until(() => server.report().packets_dropped === 1, 'the packet to be dropped')
})

over(
  'a port that listens everywhere is no peer at any address of ours',
  async ({ t, client, server }) => {
    await client.allocate()
    const { port } = server.bound.udp[0]!
    t.is(codeOf(await client.bind(0x4000, Endpoint.of('127.0.0.1', port))), 403)
    t.is(codeOf(await client.bind(0x4000, Endpoint.of('127.0.0.1', port + 1))), 0)
  },
  { listen: { udp: [{ ip: '0.0.0.0', port: 0 }], tcp: [], tls: [] } },
)

over('permissions and channels are bounded', async ({ t, client }) => {
  await client.allocate()
  const at = (index: number) => Endpoint.of('127.0.0.1', 1000 + index)
  for (let index = 0; index < 128; index += 1) t.is(codeOf(await client.bind(0x4000 + index, at(index))), 0)
  t.is(codeOf(await client.bind(0x4000 + 128, at(128))), 508)
})

over(
  'EVEN-PORT gives an even port, with R also the one above it, once, to the same user',
  async ({ t, client, server }) => {
    const even = await client.allocate((writer) => writer.add(ATTRIBUTE.evenPort, Buffer.of(0)))
    t.is(even.port % 2, 0)
    await client.refresh(0)
    await client.challenge()
    const answer = await allocate(client, (writer) => writer.add(ATTRIBUTE.evenPort, Buffer.of(0x80)))
    const port = addressOf(answer!, ATTRIBUTE.xorRelayedAddress)!.port
    const token = answer!.value(ATTRIBUTE.reservationToken)!
    t.deepEqual([port % 2, token.length], [0, 8])
    const withToken = (writer: StunWriter) => writer.add(ATTRIBUTE.reservationToken, token)
    const to = server.bound.udp[0]!
    await using foreign = await TurnClient.udp(to, turnUser({ contract: 'c9' }))
    await t.throwsAsync(foreign.allocate(withToken), { message: 'allocate: 508' })
    await using second = await TurnClient.udp(to, turnUser())
    t.is((await second.allocate(withToken)).port, port + 1)
    await using third = await TurnClient.udp(to, turnUser())
    await t.throwsAsync(third.allocate(withToken), { message: 'allocate: 508' })
  },
)

over('who asks for both families gets IPv4, and is told about IPv6', async ({ t, client }) => {
  await client.challenge()
  const answer = await allocate(client, (writer) =>
    writer.add(ATTRIBUTE.additionalAddressFamily, Buffer.of(2, 0, 0, 0)),
  )
  t.is(codeOf(answer), 0)
  t.deepEqual(answer?.value(ATTRIBUTE.addressErrorCode), Buffer.of(2, 0, 4, 40))
})

over('Refresh renews, refuses another family, and ends with 0', async ({ t, client, server }) => {
  await client.allocate()
  t.is((await client.refresh(5))?.uint32(ATTRIBUTE.lifetime), 600)
  t.is(codeOf(await client.request(METHOD.refresh, family(2))), 443)
  t.is((await client.refresh(0))?.uint32(ATTRIBUTE.lifetime), 0)
  t.is(server.report().allocations, 0)
  t.is(codeOf(await client.refresh(600)), 437)
})

over(
  'a full range of ports is 508, and a port is free again when its allocation ends',
  async ({ t, client, server }) => {
    await client.allocate()
    await using second = await TurnClient.udp(server.bound.udp[0]!, turnUser())
    await t.throwsAsync(second.allocate(), { message: 'allocate: 508' })
    await client.refresh(0)
    await t.notThrowsAsync(second.allocate())
  },
  { relay: { addresses: [{ ip: '127.0.0.1', announced: null }], ports: [19_999, 19_999] } },
)

over(
  'clients are told the announced address',
  async ({ t, client }) => {
    t.is((await client.allocate()).ip, '198.51.100.7')
  },
  { relay: { addresses: [{ ip: '127.0.0.1', announced: '198.51.100.7' }], ports: [19_900, 19_950] } },
)

for (const [limit, quota] of [
  ['allocations_per_user', 'user'],
  ['allocations_per_subject', 'subject'],
  ['allocations_per_tenant', 'tenant'],
  ['allocations_per_address', 'address'],
  ['allocations', 'total'],
] as const)
  over(
    `the quota ${limit} is 486, and counts what is there now`,
    async ({ t, client, server }) => {
      const to = server.bound.udp[0]!
      await client.allocate()
      // Of another user or tenant where that is not what is bounded.
      const user = turnUser({
        tenant: quota === 'address' || quota === 'total' ? 'other' : 'acme',
        contract: quota === 'user' ? 'c1' : 'c5',
        subject: quota === 'tenant' ? 'user:bob' : 'user:alice',
      })
      await using second = await TurnClient.udp(to, user)
      await second.allocate()
      await using third = await TurnClient.udp(to, user)
      await t.throwsAsync(third.allocate(), { message: 'allocate: 486' })
      t.is(server.report().quota_refused[quota], 1)
      t.like(server.refusals()[0], { reason: `quota_${quota}`, client: '127.0.0.1', count: 1 })
      await client.refresh(0)
      await t.notThrowsAsync(third.allocate())
    },
    { limits: { ...LIMITS, [limit]: 2 } },
  )

over('a class or a method that nobody asks for is not answered', async ({ t, client }) => {
  t.is(await client.request(METHOD.data, none, SILENCE_MS), null)
  t.is(await client.request(METHOD.binding | CLASS.indication, none, SILENCE_MS), null)
  t.is(await client.request(METHOD.binding | CLASS.success, none, SILENCE_MS), null)
})
