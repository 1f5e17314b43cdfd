import test from 'ava'
import { encoderConfigOf } from '../../agent/encoder/encoder-config-of.ts'
import { broadcastSchema } from '../../common/wire/node-config.ts'

const broadcast = (more: object) =>
  broadcastSchema.parse({ stream_id: 'cam', source: { kind: 'test-card' }, ...more })

test('a test card has a tone, ten seconds from one IDR to the next, and a bitrate inside the bounds', (t) => {
  const config = encoderConfigOf(broadcast({ fps: 25, kbps: { min: 200, max: 900 } }), {})
  t.deepEqual(config.picture, { kind: 'test-card', name: 'cam' })
  t.deepEqual(config.sound!.source, { kind: 'tone' })
  t.is(config.gop_frames, 250)
  t.is(config.target_kbps, 900)
})

test('the best of the encoders that work is taken, and without one the reasons are told', (t) => {
  const fact = (element: string, works: boolean) => ({ element, works, reason: null, fps_720p: null })
  const works = { encoders: [fact('x264enc', true), fact('v4l2h264enc', true), fact('mpph264enc', false)] }
  t.is(encoderConfigOf(broadcast({}), works).encoder, 'v4l2h264enc')
  const error = t.throws(() =>
    encoderConfigOf(broadcast({}), { encoders: [{ ...fact('x264enc', false), reason: 'no memory' }] }),
  )
  t.like(error, { code: 'gstreamer_missing', details: ['x264enc: no memory'] })
})
