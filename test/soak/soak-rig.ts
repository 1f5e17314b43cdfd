import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { startClipSender } from '../support/clip-sender.ts'
import { DtlsClients } from '../support/dtls-client.ts'
import { letEverybodyWatch } from '../support/everybody-watches.ts'
import { startFieldSender } from '../support/field-sender.ts'
import { type OpenStream, startHub, type TestHub } from '../support/hub.ts'
import { generateMedia } from '../support/media-generator.ts'
import { freeUdpRange } from '../support/udp-ports.ts'
import { CENSUS_ENV } from './census.ts'
import { KeptSender } from './kept-sender.ts'

/** Streams of the configuration with a permanent sender, by the kind of its media; AAC needs a transcoder. */
const KEPT = { 'cam-1': 'baseline', 'cam-2': 'aac' } as const
/** A stream whose sender comes and goes, and where garbage arrives. */
export const COMING_STREAM = 'coming'
/** A stream by contract, of a sender with an encoder. */
export const CARD_STREAM = 'card'
const CARD = { width: 320, height: 180, fps: 15, videoKbps: 300 } as const

/** Of the hub's TURN relay. */
const RELAYED_PORTS = 80

/** What is there before anything happens, and after. */
export interface SoakRig extends AsyncDisposable {
  readonly hub: TestHub
  readonly dtls: DtlsClients
  /** Senders that stay. */
  readonly senders: readonly KeptSender[]
  /** A clip that any sender may play. */
  readonly clip: string
  readonly coming: OpenStream
  readonly publisherToken: string
  readonly viewerToken: string
}

export async function openSoakRig(): Promise<SoakRig> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-soak-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const clips = {
    baseline: await generateMedia('baseline', { seconds: 30, kbps: 400 }),
    aac: await generateMedia('aac', { seconds: 30, kbps: 400 }),
  }
  const streams = [...Object.keys(KEPT), COMING_STREAM].map((streamId) => ({ streamId }))
  // Another hub on this machine may have the ports that a hub grants by default.
  const rist = await freeUdpRange(40)
  const relayed = await freeUdpRange(RELAYED_PORTS)
  const env = {
    ...CENSUS_ENV,
    RIST_PORTS: `${rist}-${rist + 39}`,
    TURN_RELAY_PORTS: `${relayed}-${relayed + RELAYED_PORTS - 1}`,
  }
  const args = ['--turn-mode', 'embedded', '--turn-port', '0']
  const hub = stack.use(
    await startHub(streams, { workers: 2, logLevel: 'warn', dataDir: join(folder, 'data'), env, args }),
  )
  await letEverybodyWatch(hub)
  const publisherToken = await hub.issueToken({ role: 'publisher', subject: 'soak-publisher' })
  const senders = Object.entries(KEPT).map(([streamId, kind]) =>
    stack.use(
      new KeptSender(streamId, () =>
        startClipSender(hub.streams.get(streamId)!, { path: clips[kind], repeat: true }),
      ),
    ),
  )
  const field = {
    hub_url: hub.url,
    token: await hub.issueToken({ role: 'publisher', subject: 'soak-field' }),
  }
  senders.push(
    stack.use(
      new KeptSender(CARD_STREAM, () => startFieldSender({ ...field, stream_id: CARD_STREAM, card: CARD })),
    ),
  )
  // librist is set up once for a process, each of which is its own: one after the other all the same, for the cores.
  for (const sender of senders) await sender.ensure()
  const viewerToken = await hub.issueToken({ role: 'viewer', subject: 'soak-viewer' })
  const dtls = await DtlsClients.make()
  const owned = stack.move()
  return {
    hub,
    dtls,
    senders,
    publisherToken,
    viewerToken,
    clip: clips.baseline,
    coming: hub.streams.get(COMING_STREAM)!,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

const streamList = z.object({ streams: z.array(z.object({ stream_id: z.string(), state: z.string() })) })

/** Streams whose senders stay and that have no media now. */
export async function notLive({ hub, senders }: Pick<SoakRig, 'hub' | 'senders'>): Promise<string[]> {
  const { streams } = streamList.parse((await hub.api('GET', '/v1/streams')).body)
  return senders
    .map(({ streamId }) => streamId)
    .filter((id) => !streams.some(({ stream_id, state }) => stream_id === id && state === 'live'))
}
