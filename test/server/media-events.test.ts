import test from 'ava'
import { createLogger } from '../../common/logger.ts'
import type { IngressStats } from '../../common/wire/ingress-ipc.ts'
import type { PublisherReport } from '../../common/wire/publisher-protocol.ts'
import { mediaEvents } from '../../server/events.ts'
import { Metrics } from '../../server/metrics.ts'
import { RejectionLines } from '../../server/rejection-lines.ts'

const STATS: IngressStats = {
  received: 300,
  recovered: 7,
  lost: 1,
  audio_kbps: 96,
  video: [{ kbps: 3000, fps: 30, keyframe_gap_ms: 0 }],
  links: [{ name: 'lte', port: 9500, rtt_ms: 40, bitrate_kbps: 3100, packets: 300 }],
} as unknown as IngressStats

const REPORT: PublisherReport = {
  bitrate_kbps: 2500,
  rtt_ms: 20,
  loss: 0,
  frames_per_second: 30,
  clock_ahead_ms: null,
}

test("a stream's series go with it, and totals stay", async (t) => {
  const metrics = new Metrics()
  const events = mediaEvents(metrics, createLogger('fatal'))
  const stream = (streamId: string) => ({ tenantId: 't1', streamId, streamClass: 'focus' })
  const shown = async () => {
    const lines = (await metrics.registry.metrics()).split('\n')
    return lines.filter((line) => line.includes('stream_id="'))
  }
  const [one, other] = [stream('cam-1'), stream('cam-2')]
  for (const each of [one, other]) {
    events.ingressStats(each, STATS)
    events.bufferFitted(each, 120, 30)
    events.publisherReport(each, REPORT)
  }
  const perStream = (await shown()).length / 2
  t.true(perStream >= 9)

  events.streamState(one, { state: 'ended' })
  const left = await shown()
  t.is(left.length, perStream)
  t.true(left.every((line) => line.includes('stream_id="cam-2"')))
  t.regex(await metrics.registry.metrics(), /^lanecast_retransmits_total\{class="focus"\} 14$/m)

  // What the old ingress still had to say does not bring it back; a new stream of that name has its own.
  events.ingressStats(one, STATS)
  events.publisherReport(one, REPORT)
  t.is((await shown()).length, perStream)
  const next = stream('cam-1')
  events.ingressStats(next, STATS)
  events.publisherReport(next, REPORT)
  t.is((await shown()).length, 2 * perStream - 1)
})

test('refusals are counted each, and a flood of them does not fill the log', async (t) => {
  const metrics = new Metrics()
  const lines: string[] = []
  const events = mediaEvents(metrics, createLogger('info', { write: (line) => lines.push(line) }))
  for (let count = 0; count < 1000; count++) events.rejected(null, 'malformed_message', 'no message')
  events.rejected(null, 'flood', 'too much')
  t.regex(await metrics.registry.metrics(), /^rejected_total\{reason="malformed_message"\} 1000$/m)
  const told = lines.map((line): unknown => JSON.parse(line).reason)
  t.true(told.filter((reason) => reason === 'malformed_message').length <= 25)
  t.is(told.at(-1), 'flood')
})

test('a line after silence says how many there were without one', (t) => {
  const lines = new RejectionLines()
  for (let count = 0; count < 20; count++) t.deepEqual(lines.next('flood', 0), {})
  t.deepEqual(
    [0, 500, 1000, 1001].map((at) => lines.next('flood', at)),
    [null, null, { untold: 2 }, null],
  )
})
