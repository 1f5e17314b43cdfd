import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Page } from 'playwright-core'
import { joinByCable, openNamespace } from '../../support/namespaces.ts'
import { peerConnections } from '../../support/peer-connections.ts'
import { descendants, programOf } from '../../support/processes.ts'
import type { Machine, RoamingLab } from '../../support/roaming-lab.ts'
import { watchShown } from '../../support/shown-pictures.ts'
import { until } from '../../support/until.ts'
import { untilState } from '../../support/watch-page.ts'
import { type Measured, measure, type RoamCase, RUNS } from './case.ts'

/** The hub's TURN over TLS, and over UDP and TCP. */
export const TLS_PORT = 5349
const TURN_PORT = 3478
/** A relay that was ended and replaced is replaced at once again only after some health, ms. */
const HEALTHY_MS = 11_000

/** A relay elsewhere: coturn with this address and secret. */
export const FAR_RELAY = {
  nodeId: 'far',
  address: '10.80.0.2',
  gateway: '10.80.0.1',
  secret: 'a-secret-of-benches',
}

/** Nothing but HTTPS and TURN over TLS gets through. The time is that of a join. */
export const viewerOnlyTls: RoamCase = {
  name: 'viewer-only-tls',
  async run(lab, say) {
    await using machine = await lab.openMachine()
    await relayIsUp(lab)
    const ports = `{ ${new URL(lab.hub.url).port}, ${TLS_PORT} }`
    await machine.networks.drop('meta l4proto udp', `oifname { "wifi", "mobile" } tcp dport != ${ports}`)
    const measured: Measured[] = []
    const page = await machine.watch('field')
    for (let run = 1; run <= RUNS; run++) {
      say(`run ${run} of ${RUNS}`)
      await new Promise((resolve) => setTimeout(resolve, 2000))
      await page.reload()
      await untilState(page, 'live')
      await until(async () => (await joinMs(page)) > 0, 'the page tells how long it took')
      await usesRelay(page)
      measured.push({ againMs: await joinMs(page), frozenMs: 0, renegotiations: 0 })
    }
    return measured
  },
}

/** kill -9 of the hub's TURN process, while a viewer is relayed by it. */
export const turnKilled: RoamCase = {
  name: 'turn-killed',
  async run(lab, say) {
    await using machine = await lab.openMachine()
    await relayIsUp(lab)
    await lab.hub.putPolicy({ relay: { always: ['*'] } })
    const page = await machine.watch('field')
    await usesRelay(page)
    const measured: Measured[] = []
    for (let run = 1; run <= RUNS; run++) {
      say(`run ${run} of ${RUNS}`)
      if (run > 1) await new Promise((resolve) => setTimeout(resolve, HEALTHY_MS))
      measured.push(await measure(lab, { page, happens: async () => kill(lab, 'turn-main') }))
    }
    return measured
  },
}

/** The relay in use, on a machine of its own, dies. The hub has another. */
export const relayNodeDown: RoamCase = {
  name: 'relay-node-down',
  async run(lab, say) {
    await using stack = new AsyncDisposableStack()
    await lab.hub.putPolicy({ relay: { always: ['*'] } })
    const far = stack.use(await openNamespace())
    await joinByCable({ namespace: far, device: 'cable' }, { namespace: lab.neighbour, device: 'far' })
    await lab.neighbour.run('ip', 'address', 'add', `${FAR_RELAY.gateway}/24`, 'dev', 'far')
    await lab.neighbour.run('sysctl', '-qw', 'net.ipv4.ip_forward=1')
    await far.run('ip', 'address', 'add', `${FAR_RELAY.address}/24`, 'dev', 'cable')
    await far.run('ip', 'route', 'add', 'default', 'via', FAR_RELAY.gateway)
    const machine = stack.use(await lab.openMachine())
    await relayIsUp(lab)
    const measured: Measured[] = []
    for (let run = 1; run <= RUNS; run++) {
      say(`run ${run} of ${RUNS}`)
      const [program, ...enter] = far.enter
      const coturn = spawn(program, [...enter, ...COTURN], { stdio: 'ignore' })
      await relayIsUp(lab, 2)
      measured.push(await farRelayDies(lab, machine, () => coturn.kill('SIGKILL')))
      if (coturn.exitCode === null && coturn.signalCode === null) await once(coturn, 'exit')
    }
    return measured
  },
}

/** The viewer comes through the far relay, because the hub's own is behind its firewall for a while. */
async function farRelayDies(lab: RoamingLab, machine: Machine, dies: () => void): Promise<Measured> {
  const own = `{ ${TURN_PORT}, ${TLS_PORT} }`
  const { there } = lab.neighbour
  await machine.networks.drop(`ip daddr ${there} udp dport ${own}`, `ip daddr ${there} tcp dport ${own}`)
  const page = await machine.watch('field')
  await usesRelay(page)
  await machine.networks.dropNothing()
  const measured = await measure(lab, { page, happens: async () => dies() })
  await page.context().close()
  return measured
}

const COTURN = [
  'turnserver',
  ...[
    '-n',
    '--no-cli',
    '--no-tls',
    '--no-dtls',
    '--use-auth-secret',
    '--realm=lanecast',
    '--log-file=/dev/null',
  ],
  ...['--pidfile=', `--static-auth-secret=${FAR_RELAY.secret}`],
  ...[
    `--listening-ip=${FAR_RELAY.address}`,
    `--relay-ip=${FAR_RELAY.address}`,
    `--listening-port=${TURN_PORT}`,
  ],
]

async function joinMs(page: Page): Promise<number> {
  return page.evaluate(() => Number(document.documentElement.dataset['joinMs'] ?? 0))
}

async function usesRelay(page: Page): Promise<void> {
  await until(
    async () => (await peerConnections(page)).local?.type === 'relay',
    'media comes through a relay',
  )
  await watchShown(page)
}

/** Waits until contracts list this many relays. */
async function relayIsUp(lab: RoamingLab, count = 1): Promise<void> {
  await until(async () => {
    const { body } = await lab.hub.api('POST', '/v1/subscribe', { stream_id: 'field' })
    const { join } = body as { join?: { webrtc: { ice_servers: unknown[] } } }
    return (join?.webrtc.ice_servers.length ?? 0) >= count
  }, `${count} relays are up`)
}

async function kill(lab: RoamingLab, program: string): Promise<void> {
  const pid = descendants(lab.hub.pid).find((child) => programOf(child).includes(program))
  if (pid === undefined) throw new Error(`the hub has no child ${program}`)
  process.kill(pid, 'SIGKILL')
}
