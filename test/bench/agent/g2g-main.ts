import { setTimeout as delay } from 'node:timers/promises'
import { Chromium } from '../../support/chromium.ts'
import { letEverybodyWatch } from '../../support/everybody-watches.ts'
import { FieldLab } from '../../support/field-lab.ts'
import { percentile, readFrames } from '../../support/frame-reader.ts'
import type { Impairment } from '../../support/impairment.ts'
import { until } from '../../support/until.ts'
import { ANY_CERTIFICATE } from '../agent-rig.ts'
import { rounded } from '../bench.ts'
import type { NamespacedSaid } from '../namespaced.ts'

/** Glass to glass with the field sender's agent, inside a network namespace. Argument: seconds of a case. */

const STREAM = 'field'
const LINKS = ['wwan0', 'wwan1']

interface Case {
  readonly name: string
  readonly rttMs: number
  readonly loss: number
  readonly impairment: Partial<Impairment>
  /** The viewer is on the sender's own network, and is measured once it watches from there. */
  readonly direct: boolean
}

const LINK = { delayMs: 20, loss: 0.02 }
const CASES: readonly Case[] = [
  { name: 'agent-focus-20ms-2pct', rttMs: 40, loss: 0.02, impairment: LINK, direct: false },
  { name: 'lan-direct', rttMs: 40, loss: 0.02, impairment: LINK, direct: true },
]
/** Jitter buffers, the decoder and the page's own estimate settle in the first seconds, which are not measured. */
const SETTLE_MS = 8000

const tell = (said: NamespacedSaid): void => void process.send?.(said)

async function measure({ name, rttMs, loss, impairment, direct }: Case, seconds: number): Promise<void> {
  tell({ progress: `${name}: starting hub, agent and browser` })
  await using lab = await FieldLab.open()
  await letEverybodyWatch(lab.hub)
  const { machine, carrier, namespace, uplinks } = await lab.enrol({ nodeId: 'van-1', interfaces: LINKS })
  for (const link of LINKS.keys()) await carrier.setBoth(link, impairment)
  await machine.start({
    uplinks: [...uplinks],
    broadcasts: [
      {
        stream_id: STREAM,
        class: 'focus',
        source: { kind: 'test-card' },
        renditions: [{ width: 1280, height: 720 }],
      },
    ],
  })
  const isLive = async () => (await machine.status()).broadcasts[0]?.state === 'live'
  await until(isLive, 'the stream is live', 30_000)
  await using chromium = await Chromium.launch({
    flags: ANY_CERTIFICATE,
    ...(direct && { enter: namespace.enter }),
  })
  await using watched = await chromium.open(`${lab.hub.url}/watch/${STREAM}`)
  const { page } = watched
  const shows = () => (document.querySelector('video')?.videoWidth ?? 0) > 0
  await page.waitForFunction(shows, null, { timeout: 20_000 })
  const isDirect = () => document.documentElement.dataset['way'] === 'direct'
  if (direct) await page.waitForFunction(isDirect, null, { timeout: 30_000 })
  await page.keyboard.press('i')
  await using reader = await readFrames(page)
  await delay(SETTLE_MS)
  await reader.take()
  const said: number[] = []
  for (let second = 0; second < seconds; second += 1) {
    tell({ progress: `${name}: ${second} of ${seconds} s` })
    await delay(1000)
    const text = (await page.getByTestId('glass-to-glass').textContent()) ?? ''
    const figure = Number(/^([\d.]+) ms$/.exec(text.trim())?.[1])
    if (Number.isFinite(figure)) said.push(figure)
  }
  const reading = await reader.take()
  const drawn = (share: number) => rounded(percentile(reading.latenciesMs, share), 0)
  const own = said.length > 0 ? rounded(percentile(said, 0.5), 0) : null
  // The page's figure goes up to the moment at which the browser expects the picture to be visible.
  const displayed = reading.frames.flatMap(({ displayLatencyMs }) => displayLatencyMs ?? [])
  tell({
    result: {
      name,
      rtt_ms: rttMs,
      loss,
      p50_ms: drawn(0.5),
      p95_ms: drawn(0.95),
      p99_ms: drawn(0.99),
      freezes: reading.freezesMs.length,
      frames: reading.latenciesMs.length,
      own_p50_ms: own,
      apart_ms: own === null ? null : Math.round(Math.abs(own - percentile(displayed, 0.5))),
    },
  })
}

for (const each of CASES) await measure(each, Number(process.argv[2] ?? 60))
process.disconnect()
