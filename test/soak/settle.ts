import { setTimeout as delay } from 'node:timers/promises'
import { listFlows, type Reading, readNow } from './measure.ts'
import { notLive, type SoakRig } from './soak-rig.ts'

/** Longer than anything waits for somebody to come back: publishers, payload routers, pipes. */
const QUIET_MS = 17_000
/** Longer than a WHEP session that nobody connects has its place. */
const VIEWERS_QUIET_MS = 35_000
const LOOK_MS = 1000
/** A hub that has not come to rest by then is measured as it is. */
const WITHIN_MS = 150_000

const STEADY = [
  'processes',
  'transports',
  'consumers',
  'viewers',
  'connections',
  'flows',
  'allocations',
] as const

/**
 * Everybody has left: ends leftover contracts, brings back the permanent senders, and waits until nothing changes any
 * more.
 * @returns the faults in words
 */
export async function settle(rig: SoakRig, say: (line: string) => void): Promise<string[]> {
  for (const sender of rig.senders) await sender.ensure()
  const kept = new Set([...rig.hub.streams.keys(), ...rig.senders.map(({ streamId }) => streamId)])
  for (const { contract_id, stream_id } of await listFlows(rig.hub))
    if (!kept.has(stream_id)) await rig.hub.api('DELETE', `/v1/flows/${contract_id}`)
  let last: Reading | null = null
  let [quietSince, saidAt] = [performance.now(), performance.now()]
  for (const end = performance.now() + WITHIN_MS; performance.now() < end; await delay(LOOK_MS)) {
    const [reading, dark] = await Promise.all([
      readNow(rig.hub).catch(() => null),
      notLive(rig).catch(() => ['?']),
    ])
    const now = performance.now()
    const before = last
    const same = before !== null && reading !== null && STEADY.every((name) => before[name] === reading[name])
    if (!same || dark.length > 0) quietSince = now
    last = reading
    const viewersLeft = reading !== null && reading.viewers > 0
    if (now - quietSince >= (viewersLeft ? VIEWERS_QUIET_MS : QUIET_MS)) return await wellness(rig)
    if (now - saidAt < 10_000) continue
    saidAt = now
    say(`waiting for quiet: ${STEADY.map((name) => `${reading?.[name] ?? '?'} ${name}`).join(', ')}`)
  }
  return [...(await wellness(rig)), `the hub did not come to rest within ${WITHIN_MS / 1000} s`]
}

async function wellness(rig: SoakRig): Promise<string[]> {
  const dark = await notLive(rig)
  const readiness = await (await fetch(`${rig.hub.url}/readyz`)).text()
  const { process: child } = rig.hub
  return [
    ...(child.exitCode !== null || child.signalCode !== null ? ['the hub ended'] : []),
    ...(dark.length > 0 ? [`not live: ${dark.join(', ')}`] : []),
    ...(readiness.includes('"ready":true') ? [] : [`not ready: ${readiness}`]),
  ]
}
