import test from 'ava'
import { z } from 'zod'
import { startClipSender } from '../support/clip-sender.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { generateMedia } from '../support/media-generator.ts'
import { descendants } from '../support/processes.ts'
import { steps, TICKS_PER_MS } from '../support/rtp-timeline.ts'
import { udpOwner } from '../support/udp-owner.ts'
import { freeUdpPorts } from '../support/udp-ports.ts'
import { until } from '../support/until.ts'
import { WeriftViewer } from '../support/werift-viewer.ts'

/** SIGHUP puts another configuration in force while media flows: all of it, or nothing. */

const streamsSchema = z.object({ streams: z.array(z.object({ stream_id: z.string(), state: z.string() })) })
const flowsSchema = z.object({
  flows: z.array(z.object({ stream_id: z.string(), contract_id: z.string(), version: z.number() })),
})
const auditSchema = z.object({
  records: z.array(
    z.object({ action: z.string(), object: z.string(), outcome: z.string(), detail: z.unknown() }),
  ),
})

const streamsOf = async (hub: TestHub) =>
  streamsSchema
    .parse((await hub.api('GET', '/v1/streams')).body)
    .streams.map(({ stream_id }) => stream_id)
    .sort()
const contractOf = async (hub: TestHub, streamId: string) =>
  flowsSchema
    .parse((await hub.api('GET', '/v1/flows')).body)
    .flows.find(({ stream_id }) => stream_id === streamId)
const recordsOf = async (hub: TestHub, action: string) =>
  auditSchema.parse((await hub.api('GET', `/v1/audit?action=${action}`)).body).records

/** The file's tables of streams, by the id. */
const tableOf = (toml: string, streamId: string) =>
  toml.split(/\n\n(?=\[\[)/).find((table) => table.includes(`stream_id = "${streamId}"`))!

test('streams come, go and change by SIGHUP, and those that stay notice nothing', async (t) => {
  t.timeout(120_000)
  await using hub = await startHub([
    { streamId: 'stays', streamClass: 'record' },
    { streamId: 'goes' },
    { streamId: 'changes' },
  ])
  const path = await generateMedia('baseline', { seconds: 30, kbps: 500 })
  const stays = hub.streams.get('stays')!
  await using _sender = await startClipSender(stays, { path })
  await using viewer = await WeriftViewer.open(hub.url, 'stays')
  await using leaving = await WeriftViewer.open(hub.url, 'goes')
  const video = await viewer.track('video')
  const ingress = udpOwner(stays.ports[0]!, descendants(hub.pid))
  const before = await contractOf(hub, 'stays')
  const [changed, gone] = [await contractOf(hub, 'changes'), await contractOf(hub, 'goes')]
  const from = video.packets.length
  const flows = (packets: number) =>
    until(() => video.packets.length > from + packets, 'media after the change')

  const ports = await freeUdpPorts(2)
  const said = await hub.reload((toml) =>
    toml
      .replace(tableOf(toml, 'goes'), '')
      .replace(tableOf(toml, 'changes'), (table) => table.replace('class = "focus"', 'class = "director"'))
      .concat(
        tableOf(toml, 'stays')
          .replace('"stays"', '"comes"')
          .replace(/ports = .*/, `ports = [${ports.join(', ')}]`),
        '\n',
      ),
  )
  t.like(said, {
    level: 'info',
    streams_added: ['comes'],
    streams_removed: ['goes'],
    streams_changed: ['changes'],
  })
  t.deepEqual(await streamsOf(hub), ['changes', 'comes', 'stays'])
  t.is(leaving.state, 'ended')
  t.not((await contractOf(hub, 'changes'))?.contract_id, changed?.contract_id)
  t.like(await contractOf(hub, 'comes'), { version: 1 })
  t.deepEqual(
    (await recordsOf(hub, 'contract.end'))
      .map(({ object, outcome, detail }) => [object, outcome, detail])
      .sort(),
    [
      ['changes', 'the configuration of the stream has changed', changed?.contract_id],
      ['goes', 'the configuration has no such stream any more', gone?.contract_id],
    ].map(([id, why, contract_id]) => [`stream/${id}`, 'revoked', { why, contract_id }]),
    'each end has its reason',
  )
  await flows(300)
  t.is(await hub.metric('lanecast_config_reloads_total{outcome="applied"}'), 1)

  // Refused: one setting can't change. The level and the stream beside it stay as they were, too.
  const refused = await hub.reload((toml) =>
    toml.replace(tableOf(toml, 'comes'), '').concat('\n[hub]\nlog_level = "error"\nidle_ms = 1234\n'),
  )
  t.like(refused, {
    level: 'error',
    problems: ["OVERLAY_IDLE_MS (hub.idle_ms): can't change while the hub runs"],
  })
  t.deepEqual(await streamsOf(hub), ['changes', 'comes', 'stays'])
  t.is((await fetch(`${hub.url}/readyz`)).status, 200)
  t.is(await hub.metric('lanecast_config_reloads_total{outcome="refused"}'), 1)
  // Nor is a file taken that a start would not take.
  const broken = await hub.reload((toml) => `${toml}\n[nothing]\n`)
  t.regex(String(broken['problems']), /nothing \(config file\): unknown/)
  t.deepEqual((await recordsOf(hub, 'config.reload')).map(({ outcome }) => outcome).sort(), [
    'applied',
    'refused',
    'refused',
  ])

  // A ceiling holds for what begins.
  const subscribe = async () => (await hub.api('POST', '/v1/subscribe', { stream_id: 'stays' })).status
  t.is(await subscribe(), 200)
  await hub.reload((toml) => `${toml.slice(0, toml.indexOf('[hub]'))}\n[media]\nviewers_per_stream = 1\n`)
  t.is(await subscribe(), 503)

  await flows(600)
  t.deepEqual(viewer.rejoins, [])
  t.deepEqual([viewer.joins.length, viewer.tracks.length], [1, 2])
  t.true(steps(video.packets.slice(from), TICKS_PER_MS.video).every(({ sequence }) => sequence === 1))
  t.is(udpOwner(stays.ports[0]!, descendants(hub.pid)), ingress)
  t.deepEqual(await contractOf(hub, 'stays'), before)
  // No secret is said of what has changed.
  const { passphrase, password } = stays
  const lines = JSON.stringify(hub.log)
  t.false([passphrase, password].some((secret) => lines.includes(secret)))
})
