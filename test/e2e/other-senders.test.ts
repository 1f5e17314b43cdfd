import { readFile } from 'node:fs/promises'
import test, { type ExecutionContext } from 'ava'
import { startHub, type TestHub } from '../support/hub.ts'
import { generateMedia } from '../support/media-generator.ts'
import {
  ffmpegCommand,
  ffmpegInUncutDatagrams,
  ffmpegToRistsenderCommand,
  type LinkUrl,
  ristsenderCommand,
  startFfmpeg,
  startRistsender,
} from '../support/other-senders.ts'
import { accessUnitTypes, heldUpMs, steps, TICKS_PER_MS } from '../support/rtp-timeline.ts'
import { until } from '../support/until.ts'
import { WeriftViewer } from '../support/werift-viewer.ts'

/** Senders that are not ours, from the command line in README to a viewer's packets. */

const KINDS = ['video', 'audio'] as const
const SPS = 7
const PPS = 8
const IDR = 5

let hub: TestHub
let clip: string

test.before(async () => {
  clip = await generateMedia('high', { seconds: 30, kbps: 500 })
  hub = await startHub([
    { streamId: 'one-link', streamClass: 'record', links: 1 },
    { streamId: 'uncut', streamClass: 'record', links: 1 },
    { streamId: 'duplicating', streamClass: 'record' },
    { streamId: 'sharing', streamClass: 'record' },
    { streamId: 'ffmpeg', streamClass: 'record', links: 1, authentication: 'passphrase' },
  ])
})

test.after.always(() => hub[Symbol.asyncDispose]())

/** The sender's media reach a viewer whole; answers each link's share of the stream's bitrate. */
async function arrives(t: ExecutionContext, streamId: string, links: readonly string[]): Promise<number[]> {
  await using viewer = await WeriftViewer.open(hub.url, streamId)
  const tracks = await Promise.all(KINDS.map((kind) => viewer.track(kind)))
  t.deepEqual(accessUnitTypes(tracks[0]!.packets, 0).slice(0, 3), [SPS, PPS, IDR])
  const rates = (): Promise<number[]> =>
    Promise.all(
      ['video0', 'audio'].map((track) =>
        hub.metric(`lanecast_input_kbps{tenant_id="default",stream_id="${streamId}",track="${track}"}`),
      ),
    )
  const linkRates = (): Promise<number[]> =>
    Promise.all(
      links.map((link) =>
        hub.metric(`lanecast_link_kbps{tenant_id="default",stream_id="${streamId}",link="${link}"}`),
      ),
    )
  // Statistics come once a second; the first ones are of a part of one.
  const from = tracks.map(({ packets }) => packets.length)
  await until(() => tracks[1]!.packets.length > from[1]! + 100, 'two seconds of sound')
  for (const [index, { kind, packets }] of tracks.entries()) {
    const passed = steps(packets.slice(from[index]!), TICKS_PER_MS[kind])
    t.deepEqual(
      passed
        .filter(({ sequence }) => sequence !== 1)
        .map(({ sequence, mediaMs, arrivalMs, index }) => [sequence, mediaMs, arrivalMs, index]),
      [],
      `${kind} without gaps`,
    )
    t.log(
      `${streamId} ${kind}: held up ${heldUpMs(packets.slice(from[index]!), TICKS_PER_MS[kind]).toFixed()} ms`,
    )
  }
  t.is(viewer.state, 'live')
  t.is(await hub.metric(`lanecast_rist_packets{tenant_id="default",stream_id="${streamId}",kind="lost"}`), 0)
  const media = await until(async () => (await rates()).reduce((sum, kbps) => sum + kbps, 0), 'statistics')
  const shares = (await linkRates()).map((kbps) => kbps / media)
  t.log(
    `${streamId}: ${media.toFixed()} kb/s, over the links ${shares.map((share) => share.toFixed(2)).join(' + ')}`,
  )
  return shares
}

function linksOf(streamId: string, weight: number): LinkUrl[] {
  const { ports, passphrase, username, password } = hub.streams.get(streamId)!
  return ports.map((port, index) => ({
    port,
    passphrase,
    username,
    password,
    cname: `modem-${index}`,
    weight,
  }))
}

test('ffmpeg | ristsender over one link', async (t) => {
  await using _sender = await startRistsender(linksOf('one-link', 0), clip)
  const [share] = await arrives(t, 'one-link', ['modem-0'])
  t.true(share! > 0.8)
})

test('ffmpeg | ristsender in datagrams that cut packets anywhere', async (t) => {
  const logged = hub.log.length
  await using _sender = await startRistsender(linksOf('uncut', 0), clip, ffmpegInUncutDatagrams)
  const [share] = await arrives(t, 'uncut', ['modem-0'])
  t.true(share! > 0.8)
  t.deepEqual(
    hub.log.slice(logged).filter(({ msg }) => String(msg).startsWith('turned away')),
    [],
  )
})

test('ffmpeg | ristsender duplicating on two links', async (t) => {
  await using _sender = await startRistsender(linksOf('duplicating', 0), clip)
  const shares = await arrives(t, 'duplicating', ['modem-0', 'modem-1'])
  for (const share of shares) t.true(share > 0.8, `${share}`)
})

test('ffmpeg | ristsender sharing two links', async (t) => {
  await using _sender = await startRistsender(linksOf('sharing', 100), clip)
  const shares = await arrives(t, 'sharing', ['modem-0', 'modem-1'])
  for (const share of shares) t.true(share > 0.3 && share < 0.9, `${share}`)
})

test("ffmpeg's rist:// for a stream that asks for the passphrase alone", async (t) => {
  const { ports, passphrase } = hub.streams.get('ffmpeg')!
  await using _sender = startFfmpeg({ port: ports[0]!, passphrase, cname: 'ffmpeg' }, clip)
  const [share] = await arrives(t, 'ffmpeg', ['ffmpeg'])
  t.true(share! > 0.8)
})

test('README shows these commands', async (t) => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
  const field = { host: 'HUB', passphrase: 'PSK' }
  const modem = { ...field, username: 'USER', password: 'PW', weight: 0 }
  const commands = [
    ristsenderCommand(5000, [
      { ...modem, port: 9500, cname: 'modem-a' },
      { ...modem, port: 9502, cname: 'modem-b' },
    ]),
    ffmpegToRistsenderCommand(5000, 'INPUT'),
    ffmpegCommand({ ...field, port: 9500, cname: 'ffmpeg' }, 'INPUT'),
  ]
  for (const command of commands) {
    const line = command.map((word) => (/[?&]/.test(word) ? `"${word}"` : word)).join(' ')
    t.true(readme.includes(`\n${line}\n`), line)
  }
})
