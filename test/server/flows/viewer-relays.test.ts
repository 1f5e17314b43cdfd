import test from 'ava'
import { NO_RELAYS } from '../../../common/wire/flow-contract.ts'
import { ViewerFlows, type ViewerGrant } from '../../../server/flows/viewer-flows.ts'
import { NO_CONTRACT_RELAYS } from '../../../server/relays/contract-relays.ts'
import type { Stream } from '../../../sfu/stream.ts'
import type { ContractListener } from '../../../signaling/viewer-admission.ts'

/**
 * Viewers' contracts that note which of them the relays were told to end.
 * @param running contracts by which something runs through a relay
 */
function rig(running: readonly string[] = []) {
  const ended: string[] = []
  const viewers = new ViewerFlows({ get: () => ({}) as Stream }, undefined, {
    ...NO_CONTRACT_RELAYS,
    ice: ({ contractId, lifetimeS }) => ({
      ...NO_RELAYS,
      ice_servers: [{ urls: [], username: `${contractId} ${lifetimeS}` }],
    }),
    ended: (contractId) => ended.push(contractId),
    usageOf: (contractIds) =>
      [...contractIds].some((id) => running.includes(id))
        ? { allocations: 1, protocol: 'udp', bytes_to_client: 0, bytes_from_client: 0 }
        : null,
  })
  const grant = (contractId: string, streamId = 'cam-1') => {
    const flow: ViewerGrant = {
      contractId,
      tenantId: 't1',
      streamId,
      subject: 'alice',
      holder: { anonymous: false, name: 'user:alice' },
      proof: null,
      streamClass: 'focus',
      relay: { ice_transport_policy: 'all', nodes: ['hub'] },
      expiresAt: Date.now() + 60_000,
      wantedKbps: null,
      abr: { min_kbps: 100, start_kbps: 1000, max_kbps: 5000 },
    }
    const listener: ContractListener = {
      abrChanged() {},
      priorityChanged() {},
      path: () => null,
      statistics: async () => null,
      contractEnded() {},
    }
    const ticket = viewers.grant(flow)
    return { listener, admit: () => viewers.admit(ticket, listener) }
  }
  return { viewers, ended, grant }
}

test('credentials are of the contract, and as long-lived as asked', (t) => {
  const { viewers, grant } = rig()
  const admitted = grant('c-1').admit()
  t.is(admitted.ice().ice_servers[0]?.username, 'c-1 undefined')
  t.is(viewers.ice('c-1', 86_400).ice_servers[0]?.username, 'c-1 86400')
  t.deepEqual(viewers.ice('nobody'), NO_RELAYS)
  viewers[Symbol.dispose]()
})

test('what is allocated ends with its contract', (t) => {
  const { viewers, ended, grant } = rig()
  grant('c-1')
  grant('c-2').admit().leave()
  t.deepEqual(ended, ['c-2'])
  viewers.end('c-1', 'revoked')
  t.deepEqual(ended, ['c-2', 'c-1'])
  viewers[Symbol.dispose]()
})

test('a renewed contract takes over what all before it allocated', (t) => {
  const { viewers, ended, grant } = rig()
  let admitted = grant('c-1').admit()
  for (const next of ['c-2', 'c-3']) {
    const renewed = grant(next).admit()
    admitted.passRelays(next)
    admitted.leave()
    admitted = renewed
  }
  t.deepEqual(ended, [])
  viewers.end('c-3', 'revoked')
  t.deepEqual(ended.toSorted(), ['c-1', 'c-2', 'c-3'])
  viewers[Symbol.dispose]()
})

test('a revoked contract of a connection leaves the transport to the others', (t) => {
  const { viewers, ended, grant } = rig()
  const first = grant('c-1')
  const admitted = first.admit()
  grant('c-2', 'cam-2').admit()
  // As the connection does when it is told.
  first.listener.contractEnded = () => admitted.passRelays('c-2')
  viewers.end('c-1', 'revoked')
  t.deepEqual(ended, [])
  admitted.passRelays('unknown')
  viewers.end('c-2', 'expired')
  t.deepEqual(ended.toSorted(), ['c-1', 'c-2'])
  viewers[Symbol.dispose]()
})

for (const running of [[], ['c-0'], ['c-0', 'c-7'], Array.from({ length: 40 }, (_, number) => `c-${number}`)])
  test(`a viewer that renews as fast as it can holds a handful of contracts: ${running.length} run`, (t) => {
    const { viewers, ended, grant } = rig(running)
    let before = grant('c-0').admit()
    for (let number = 1; number < 40; number += 1) {
      const next = grant(`c-${number}`).admit()
      before.passRelays(`c-${number}`)
      before.leave()
      before = next
    }
    t.is(ended.length, 40 - 16)
    // What runs goes on, where anything else can end.
    if (running.length < 16)
      t.deepEqual(
        ended.filter((id) => running.includes(id)),
        [],
      )
    t.false(ended.slice(0, 10).includes('c-38'))
    viewers.end('c-39', 'revoked')
    t.is(new Set(ended).size, 40, 'nothing is left')
    viewers[Symbol.dispose]()
  })
