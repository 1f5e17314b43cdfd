import { resolve } from 'node:path'
import test from 'ava'
import { VIDEO_ENCODERS } from '../../../agent/encoder/video-encoders.ts'
import { type EncoderProbeOptions, probeEncoders } from '../../../agent/hardware/encoders/encoder-probe.ts'
import { createLogger } from '../../../common/logger.ts'

const probe = (options: Partial<EncoderProbeOptions> = {}) =>
  probeEncoders({ logger: createLogger('silent'), signal: AbortSignal.timeout(60_000), ...options })

test('every known encoder is tried, and x264 encodes a second of pictures', async (t) => {
  const facts = await probe()
  t.deepEqual(
    facts.map(({ element }) => element),
    [...VIDEO_ENCODERS],
  )
  const x264 = facts.find(({ element }) => element === 'x264enc')!
  t.like(x264, { works: true, reason: null })
  t.true(x264.fps_720p! > 1, `${x264.fps_720p} pictures a second`)
  for (const { works, reason } of facts) t.is(works, reason === null)
})

const BAD_PROBE = { entry: resolve(import.meta.dirname, '../../support/bad-probe-main.ts') }
const ELEMENTS = ['mpph264enc', 'v4l2h264enc', 'x264enc'] as const

test('an encoder that ends or hangs the process is at fault alone', async (t) => {
  const facts = await probe({ program: BAD_PROBE, elements: ELEMENTS, silenceMs: 3000 })
  t.deepEqual(
    facts.map(({ element, works, reason }) => ({ element, works, reason })),
    [
      { element: 'mpph264enc', works: false, reason: 'the process that tried it ended: SIGSEGV' },
      { element: 'v4l2h264enc', works: false, reason: 'the encoder hung for 3 s' },
      { element: 'x264enc', works: true, reason: null },
    ],
  )
})

test('without any probe no encoder works, with the reason', async (t) => {
  const facts = await probe({ program: { entry: '/nowhere.ts' }, elements: ELEMENTS })
  t.is(facts.length, ELEMENTS.length)
  for (const { works, reason } of facts) {
    t.false(works)
    t.is(reason, 'the process that tried it ended: exit code 1')
  }
})

test('an aborted probe ends its process', async (t) => {
  await t.throwsAsync(
    probe({ program: BAD_PROBE, elements: ['v4l2h264enc'], signal: AbortSignal.timeout(700) }),
    {
      name: 'TimeoutError',
    },
  )
})
