import test from 'ava'
import type { HubError } from '../../common/wire/hub-error.ts'
import { CaptureTimeline } from '../../signaling/client/capture-timeline.ts'
import { ClockOffset } from '../../signaling/client/clock-offset.ts'
import type { SessionEnd } from '../../signaling/client/contract-session.ts'
import { GlassToGlass, median } from '../../signaling/client/glass-to-glass.ts'
import { HubRefusal } from '../../signaling/client/hub-request.ts'
import { RequestRefusal } from '../../signaling/client/publisher-connection.ts'
import { publisherOutcome } from '../../signaling/client/publisher-outcome.ts'
import { between, readCounters } from '../../signaling/client/receive-statistics.ts'
import { type Pace, reconnectDelayMs } from '../../signaling/client/reconnect-delay.ts'
import { needingRelay } from '../../signaling/client/relay-need.ts'
import { selectedPath } from '../../signaling/client/selected-path.ts'
import { readSendCounters, sentBetween } from '../../signaling/client/send-statistics.ts'
import { outcomeOf, type Watching } from '../../signaling/client/session-outcome.ts'
import { TypedEmitter } from '../../signaling/client/typed-emitter.ts'
import { type ViewerFacts, viewerState } from '../../signaling/client/viewer-state.ts'
import { noticeOf } from '../../web/state-words.ts'
import { watchAddress, watchPath } from '../../web/watch/watch-address.ts'

test('the clock sample with the shortest round trip counts, and old ones are forgotten', (t) => {
  const clock = new ClockOffset()
  t.is(clock.offsetMs, null)
  // The hub is 1000 ms ahead; 10 ms there and 10 ms back.
  clock.add(0, 1010, 20)
  t.is(clock.offsetMs, 1000)
  // 2 ms there, 90 ms back: off by 44 ms, and not believed.
  clock.add(100, 1102, 192)
  t.is(clock.offsetMs, 1000)
  clock.add(200, 1204, 206)
  t.is(clock.offsetMs, 1001)
  for (let at = 300; at < 315; at++) clock.add(at, at + 2020, at + 30)
  t.is(clock.offsetMs, 2005)
})

test('capture times follow RTP timestamps across the wrap, in both directions', (t) => {
  const timeline = new CaptureTimeline()
  t.is(timeline.captureUnixMs(1), null)
  timeline.set({ rtp_timestamp: 0xffff_ffff - 89, capture_unix_ms: 1_000_000, source: 'sender' })
  t.is(timeline.captureUnixMs(0xffff_ffff - 89), 1_000_000)
  t.is(timeline.captureUnixMs(0), 1_000_001)
  t.is(timeline.captureUnixMs(90_000), 1_001_001)
  t.is(timeline.captureUnixMs(0xffff_ffff - 89 - 9_000), 999_900)
  timeline.set({ rtp_timestamp: 7_000_000, capture_unix_ms: 1_000_000, source: 'sender', layer: 1 })
  t.is(timeline.captureUnixMs(90_000, 1_001_100), 1_001_001, 'of several clocks that which fits')
  t.is(timeline.captureUnixMs(7_090_000, 1_001_100), 1_001_000)
  timeline.clear()
  t.is(timeline.captureUnixMs(0), null)
})

test('glass to glass is the age of the frame when it is seen, in the hub’s time', (t) => {
  const glass = new GlassToGlass()
  const frame = { displayTime: 5_000, rtpTimestamp: 90_000, receivedAt: null }
  glass.add(frame)
  t.deepEqual(glass.take(), [], 'nothing is known about the clocks')
  glass.clock.add(0, 300, 0)
  const displayedUnixMs = performance.timeOrigin + 5_000 + 300
  const reference = { rtp_timestamp: 0, capture_unix_ms: displayedUnixMs - 1_080 }
  glass.captureClock({ ...reference, source: 'sender' })
  glass.add(frame)
  glass.add({ displayTime: 5_000, rtpTimestamp: null, receivedAt: null })
  t.deepEqual(glass.take().map(Math.round), [80])
  t.deepEqual(glass.take(), [])
  glass.captureClock({ ...reference, capture_unix_ms: 0, source: 'sender' })
  glass.add(frame)
  t.deepEqual(glass.take(), [], 'an age of decades is a wrong pairing, not a latency')
  t.is(median([3, 1, 2]), 2)
  t.is(median([]), null)
})

test('statistics are those of the consumed streams, per interval', (t) => {
  const report = (bytes: number, received: number, lost: number, decoded: number) =>
    new Map<string, Record<string, unknown>>([
      ['probator', { type: 'inbound-rtp', ssrc: 1234, bytesReceived: 9e9 }],
      [
        'video',
        {
          type: 'inbound-rtp',
          ssrc: 7,
          bytesReceived: bytes,
          packetsReceived: received,
          packetsLost: lost,
          framesDecoded: decoded,
          jitter: 0.004,
          frameWidth: 1280,
          frameHeight: 720,
          jitterBufferDelay: decoded * 0.01,
          jitterBufferEmittedCount: decoded,
        },
      ],
      [
        'pair',
        { type: 'candidate-pair', nominated: true, currentRoundTripTime: 0.02, localCandidateId: 'l' },
      ],
      ['l', { type: 'local-candidate', id: 'l', protocol: 'udp' }],
    ])
  const ssrcs = { video: 7, audio: null }
  const before = readCounters(report(0, 0, 0, 0), ssrcs, 0)
  const after = readCounters(report(250_000, 190, 10, 60), ssrcs, 2_000)
  t.like(after, { width: 1280, height: 720, jitterMs: 4, rttMs: 20, protocol: 'udp', lipSyncMs: null })
  const interval = between(before, after)
  t.like(interval, { videoKbps: 1000, audioKbps: 0, framesPerSecond: 30, loss: 0.05, freezes: 0 })
  t.is(Math.round(interval.jitterBufferMs ?? 0), 10)
  // A late retransmission takes a loss back. A new session starts its counters again.
  t.is(between(after, readCounters(report(260_000, 200, 8, 61), ssrcs, 3_000)).loss, 0)
  t.is(between(after, before).videoKbps, 0)
})

test('the way of media is the pair that is selected, also where another was nominated before it', (t) => {
  const stats = [
    {
      type: 'candidate-pair',
      id: 'first',
      nominated: true,
      currentRoundTripTime: 0.5,
      localCandidateId: 't',
    },
    {
      type: 'candidate-pair',
      id: 'then',
      nominated: true,
      currentRoundTripTime: 0.02,
      localCandidateId: 'u',
    },
    { type: 'local-candidate', id: 't', protocol: 'tcp' },
    { type: 'local-candidate', id: 'u', protocol: 'udp' },
  ]
  const udp = { rttMs: 20, availableKbps: null, protocol: 'udp', relay: null }
  t.deepEqual(selectedPath([...stats, { type: 'transport', selectedCandidatePairId: 'then' }]), udp)
  t.deepEqual(
    selectedPath(stats.map((stat) => (stat.id === 'then' ? { ...stat, selected: true } : stat))),
    udp,
  )
  t.is(selectedPath([...stats.slice(1), { type: 'transport' }]).protocol, 'udp')
  t.deepEqual(selectedPath([]), { rttMs: null, availableKbps: null, protocol: null, relay: null })
  const url = 'turns:turn.example:5349?transport=tcp'
  const relayed = stats.map((stat) =>
    stat.id === 'u' ? { ...stat, candidateType: 'relay', relayProtocol: 'tls', url } : stat,
  )
  const transport = { type: 'transport', selectedCandidatePairId: 'then' }
  t.like(selectedPath([...relayed, transport]), { protocol: 'tls', relay: url })
  const silent = relayed.map((stat) =>
    'url' in stat ? { ...stat, url: undefined, relayProtocol: undefined } : stat,
  )
  t.like(selectedPath([...silent, transport]), { protocol: 'udp', relay: '' })
})

test('waits between attempts grow, never past the ceiling, and are long where only others can change it', (t) => {
  const most = (attempt: number, pace: Pace = 'soon') => reconnectDelayMs(attempt, pace, () => 1)
  const least = (attempt: number, pace: Pace = 'soon') => reconnectDelayMs(attempt, pace, () => 0)
  t.deepEqual(
    [0, 1, 2, 3, 4, 5, 50].map((attempt) => most(attempt)),
    [250, 500, 1000, 2000, 4000, 5000, 5000],
  )
  t.deepEqual(
    [0, 3, 50].map((attempt) => least(attempt)),
    [125, 1000, 2500],
  )
  t.deepEqual([least(0, 'slow'), most(0, 'slow'), most(50, 'slow')], [500, 1000, 10_000])
  t.deepEqual([least(0, 'rare'), most(50, 'rare')], [15_000, 30_000])
})

const facts: ViewerFacts = {
  trouble: null,
  stream: null,
  delivering: false,
  everJoined: false,
  interrupted: false,
  lastClosing: 'gone',
  undecodable: null,
  keyframeEveryMs: null,
}

test('a viewer’s state follows from the connection, the stream and the media', (t) => {
  const name = (known: Partial<ViewerFacts>) => viewerState({ ...facts, ...known }).name
  t.is(name({}), 'connecting')
  t.is(name({ stream: { state: 'live' } }), 'connecting')
  t.is(name({ stream: { state: 'live' }, delivering: true }), 'live')
  t.is(name({ stream: { state: 'live' }, interrupted: true }), 'reconnecting')
  t.is(name({ everJoined: true }), 'reconnecting')
  t.is(name({ stream: { state: 'input_lost' }, delivering: true }), 'input_lost')
  const slate = { ...facts, stream: { state: 'input_lost', slate: true } } as const
  t.deepEqual(viewerState({ ...slate, delivering: true }), { name: 'input_lost', slate: true })
  t.deepEqual(viewerState(slate), { name: 'input_lost' })
  t.is(name({ stream: { state: 'waiting' } }), 'waiting')
  t.is(name({ stream: { state: 'ended' } }), 'ended')
  t.is(name({ trouble: { name: 'denied', reason: 'no rule' }, stream: { state: 'live' } }), 'denied')
  const slow = viewerState({ ...facts, stream: { state: 'live' }, keyframeEveryMs: 9_990 })
  t.deepEqual(slow, { name: 'connecting', pictureWithinMs: 9_990 })
  t.regex(noticeOf(slow)?.detail ?? '', /a whole picture every 10 s/)
  t.deepEqual(viewerState({ ...facts, stream: { state: 'live' }, keyframeEveryMs: 1_000 }), {
    name: 'connecting',
  })
  const undecodable = { codec: 'H264', sound: true }
  t.is(name({ stream: { state: 'live' }, undecodable, delivering: true }), 'unplayable')
  t.is(name({ stream: { state: 'input_lost' }, undecodable }), 'input_lost')
  const unplayable = viewerState({ ...facts, stream: { state: 'live' }, undecodable })
  t.deepEqual(unplayable, { name: 'unplayable', reason: 'this browser can’t decode H264', ...undecodable })
  t.regex(noticeOf(unplayable, 'Firefox/153.0')?.detail ?? '', /H\.264.*OpenH264.*sound plays.*by itself/)
  t.regex(noticeOf(unplayable, 'Chrome/1')?.detail ?? '', /Another browser/)
  const silent = viewerState({
    ...facts,
    stream: { state: 'live' },
    undecodable: { codec: 'H264', sound: false },
  })
  t.notRegex(noticeOf(silent, 'Chrome/1')?.detail ?? '', /sound/)
  t.deepEqual(viewerState({ ...facts, stream: { state: 'refused', reason: 'B-frames' } }), {
    name: 'refused',
    reason: 'B-frames',
  })
})

const watching = { streamId: 'cam-1', hasToken: false, streamEnded: false }
const refusal = (status: number, error: Partial<HubError> = {}, retryAfterMs = 0) =>
  ({
    cause: 'refused',
    refusal: new HubRefusal(status, { code: 'x', message: 'No.', details: [], ...error }, retryAfterMs),
  }) as const

test('what a viewer is told, and when it asks again, follows from why a session is over', (t) => {
  const of = (end: SessionEnd, known: Partial<Watching> = {}) => outcomeOf(end, { ...watching, ...known })
  const reason = (end: SessionEnd, known: Partial<Watching> = {}) => of(end, known).reason
  t.like(of({ cause: 'lost', reason: 'gone' }), { trouble: null, reason: 'gone', pace: 'soon' })
  t.like(of({ cause: 'expired', reason: 'over' }), { trouble: null, pace: 'soon' })
  t.like(of({ cause: 'revoked', reason: 'over' }), {
    trouble: { name: 'revoked', reason: 'over' },
    pace: 'rare',
  })
  t.like(of(refusal(401)), { trouble: { name: 'denied' }, pace: 'rare' })
  t.regex(reason(refusal(401)), /needs a token/)
  t.regex(reason(refusal(401), { hasToken: true }), /mistyped, expired or revoked/)
  const denied = refusal(403, { message: 'not for you', rule: 'night' })
  t.deepEqual(of(denied).trouble, { name: 'denied', reason: 'not for you (rule “night”)' })
  t.is(reason(refusal(403, { message: 'rule "night" denies it', rule: 'night' })), 'rule "night" denies it')
  t.like(of(refusal(404)), { trouble: { name: 'failed' }, pace: 'slow' })
  t.regex(reason(refusal(404)), /no stream “cam-1”/)
  t.deepEqual(of(refusal(404), { streamEnded: true }).trouble, { name: 'ended' })
  t.deepEqual(of({ cause: 'revoked', reason: 'over' }, { streamEnded: true }).trouble, { name: 'ended' })
  t.like(of(refusal(429, {}, 7000)), { trouble: { name: 'busy' }, pace: 'soon', atLeastMs: 7000 })
  t.like(of(refusal(503, { message: 'full', resource: 'uplink' })), {
    trouble: { name: 'busy', reason: 'full (uplink)' },
    pace: 'slow',
  })
  t.like(of(refusal(409, { message: 'no path' })), { trouble: { name: 'failed', reason: 'no path' } })
  t.like(of(refusal(500, { message: 'oh' })), {
    trouble: { name: 'reconnecting', reason: 'oh' },
    pace: 'slow',
  })
})

test('what a publisher is told, and when it tries again, follows from why an attempt is over', (t) => {
  const refused = (status: number, code: string) =>
    publisherOutcome({ cause: 'failed', error: new RequestRefusal(status, code, 'No.') }, true)
  // What it named was replaced while it asked.
  for (const [status, code] of [
    [410, 'gone'],
    [404, 'unknown_transport'],
    [404, 'unknown_ticket'],
  ] as const)
    t.like(refused(status, code), { trouble: null, reason: 'No.', pace: 'soon' })
  t.like(refused(500, 'internal'), { trouble: { name: 'reconnecting', reason: 'No.' }, pace: 'slow' })
  t.like(refused(503, 'no_worker'), { trouble: { name: 'busy' }, pace: 'slow' })
  t.like(refused(409, 'stream_taken'), { trouble: { name: 'taken' }, pace: 'rare' })
  t.like(refused(415, 'codec_not_supported'), { trouble: { name: 'failed', reason: 'No.' }, pace: 'rare' })
})

test('a viewer without a path says that it needs a relay, and keeps its other wishes', (t) => {
  t.deepEqual(needingRelay(), { preference: { relay: 'needed' } })
  t.deepEqual(needingRelay({ preference: 'webrtc', viewer_class: 'focus' }), {
    viewer_class: 'focus',
    preference: { relay: 'needed', transports: ['webrtc'] },
  })
  t.deepEqual(needingRelay({ preference: { relay: 'always', max_kbps: 500 } }), {
    preference: { relay: 'always', max_kbps: 500 },
  })
})

test('a page’s address names a stream, and perhaps its tenant', (t) => {
  t.deepEqual(watchAddress('/watch/cam-1'), { tenantId: null, streamId: 'cam-1' })
  t.deepEqual(watchAddress('/watch/acme/cam%2D1'), { tenantId: 'acme', streamId: 'cam-1' })
  for (const path of [
    '/watch',
    '/watch/',
    '/watch//',
    '/watch/a/b/c',
    '/watch/%E0%A4',
    '/watch/..',
    '/other/a',
  ])
    t.is(watchAddress(path), null, path)
  t.is(watchPath('default', 'cam-1'), '/watch/cam-1')
  t.is(watchPath('acme', 'cam-1'), '/watch/acme/cam-1')
})

test('every state but live is told in words', (t) => {
  t.is(noticeOf({ name: 'live' }), null)
  t.is(noticeOf({ name: 'refused', reason: 'the video has B-frames' })?.detail, 'The video has B-frames.')
  t.is(
    noticeOf({ name: 'reconnecting', reason: 'worker_lost' })?.detail,
    'A media server process was replaced.',
  )
})

test('what a publisher sends is media, as the hub receives it, and what goes beside it', (t) => {
  const layer = (rid: string, bytesSent: number, retransmittedBytesSent: number) => [
    rid,
    { type: 'outbound-rtp', kind: 'video', rid, bytesSent, retransmittedBytesSent, framesEncoded: 30 },
  ]
  const report = (small: number, repair: number, large: number) =>
    new Map([layer('r0', small, repair), layer('r1', large, 0)] as never) as unknown as RTCStatsReport
  const before = readSendCounters(report(0, 0, 0), 0)
  // 800 kb/s as the small layer, 80 of it repair, 300 media and the rest padding.
  const after = readSendCounters(report(100_000, 10_000, 125_000), 1_000)
  const untold = sentBetween(before, after)
  t.deepEqual([untold.layers.map(({ kbps }) => kbps), untold.overheadKbps], [[720, 1000], null])
  const told = sentBetween(before, after, { video_kbps: [300, 1010], audio_kbps: 40 })
  t.deepEqual(
    told.layers.map(({ kbps }) => kbps),
    [300, 1000],
  )
  t.deepEqual([told.videoKbps, told.overheadKbps], [1300, 500])
})

test('a listener hears of events until it stops listening', (t) => {
  class Counter extends TypedEmitter<{ count: number }> {
    count(value: number) {
      this.emit('count', value)
    }
  }
  const counter = new Counter()
  const heard: number[] = []
  counter.count(1)
  const stop = counter.on('count', (value) => heard.push(value))
  counter.count(2)
  stop()
  counter.count(3)
  t.deepEqual(heard, [2])
})
