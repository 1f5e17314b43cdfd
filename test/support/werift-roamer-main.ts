import { randomUUID } from 'node:crypto'
import { publishByWhip, watchByWhep } from './werift-doors.ts'
import type { WeriftWays } from './werift-peer.ts'
import { askToPublish, WeriftPublisher } from './werift-publisher.ts'
import {
  type RoamerAnswer,
  type RoamerRole,
  type RoamerStart,
  type RoamerState,
  roamerRequest,
  roamerStart,
} from './werift-roamer-protocol.ts'
import { WeriftViewer } from './werift-viewer.ts'

/** A peer of werift in a process of its own, so that it can be in another network than its test. */

interface Roamer {
  readonly state: RoamerState
  restart(resume: boolean): Promise<void>
}

type Opening = Omit<RoamerStart, 'as' | 'relay'> & { readonly ways: WeriftWays }

const SSRC = 77_001

const OPEN: Readonly<Record<RoamerRole, (opening: Opening) => Promise<Roamer>>> = {
  async viewer({ hubUrl, streamId, token, ways }) {
    const viewer = await WeriftViewer.open(hubUrl, streamId, { token, ways })
    return {
      get state() {
        const video = viewer.tracks.filter(({ kind }) => kind === 'video')
        return {
          path: viewer.path,
          packets: video.reduce((sum, { packets }) => sum + packets.length, 0),
          media: viewer.tracks.map(
            ({ consumerId, ssrc, closed }) => `${consumerId} ${ssrc}${closed ? ' closed' : ''}`,
          ),
        }
      },
      restart: (resume) => (resume ? viewer.resume('network') : viewer.restartIce('silence')),
    }
  },
  async publisher({ hubUrl, streamId, token, ways }) {
    const publisher = new WeriftPublisher(hubUrl, await askToPublish(hubUrl, token, streamId), ways)
    const publisher_id = randomUUID()
    const { transport } = await publisher.publish({ publisher_id })
    await publisher.connect(transport!)
    await publisher.produceAudio(transport!.id, SSRC)
    publisher.send(SSRC, 'roaming')
    return {
      get state() {
        return { path: publisher.path, packets: 0, media: publisher.producerIds }
      },
      async restart(resume) {
        if (resume) {
          const { transport: kept, producer_ids } = await publisher.resume({ publisher_id })
          if (kept?.id !== transport!.id || producer_ids.join() !== publisher.producerIds.join())
            throw new Error('the hub made the transport anew')
        }
        await publisher.restartIce(resume ? 'network' : 'silence')
      },
    }
  },
  async whep({ hubUrl, streamId, token, ways }) {
    const session = await watchByWhep(`${hubUrl}/whep/${streamId}`, token, [], ways)
    return {
      get state() {
        return { path: session.path, packets: session.received.video, media: [session.location] }
      },
      restart: () => session.restartIce(),
    }
  },
  async whip({ hubUrl, streamId, token, ways }) {
    const session = await publishByWhip(`${hubUrl}/whip/${streamId}`, token, [], ways)
    return {
      get state() {
        return { path: session.path, packets: 0, media: [session.location] }
      },
      restart: () => session.restartIce(),
    }
  },
}

process.once('disconnect', () => process.exit(0))
process.once('message', (raw) => {
  open(raw).then(
    () => say({ id: 0, error: null, state: null }),
    (error: unknown) => say({ id: 0, error: String(error), state: null }),
  )
})

async function open(raw: unknown): Promise<void> {
  const { as, relay, ...opening } = roamerStart.parse(raw)
  const ways = { tcp: true, loopback: false, ...(relay && { relay: withoutUndefined(relay) }) }
  const roamer = await OPEN[as]({ ...opening, ways })
  process.on('message', (message) => {
    const { id, ask, resume } = roamerRequest.parse(message)
    const done = ask === 'restart' ? roamer.restart(resume) : Promise.resolve()
    done.then(
      () => say({ id, error: null, state: roamer.state }),
      (error: unknown) => say({ id, error: String(error), state: roamer.state }),
    )
  })
}

function withoutUndefined({
  scheme,
  transport,
  port,
}: NonNullable<RoamerStart['relay']>): NonNullable<WeriftWays['relay']> {
  return { scheme, transport, ...(port !== undefined && { port }) }
}

function say(answer: RoamerAnswer): void {
  if (process.connected) process.send?.(answer, undefined, undefined, () => {})
}
