import test from 'ava'
import { encoderConfigOf } from '../../../agent/encoder/encoder-config-of.ts'
import { encoderConfigSchema } from '../../../agent/encoder/encoder-protocol.ts'
import { broadcastSchema } from '../../../common/wire/node-config.ts'

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

test('the configuration says what may be sent as it comes', (t) => {
  const camera = { source: { kind: 'rtsp', url: 'rtsp://camera/live', username: 'u', password: 'p' } }
  const only = encoderConfigOf(broadcast({ ...camera, encoder: 'never' }), { encoders: [] })
  t.is(only.pass_through, 'always')
  t.is(only.encoder, undefined)
  // What the camera sends is all there is.
  t.deepEqual(only.renditions, [{ width: 1280, height: 720 }])
  t.deepEqual(only.sound!.source, { kind: 'embedded' })
  t.is(encoderConfigOf(broadcast({ ...camera, encoder: 'always' }), {}).pass_through, 'never')
  t.is(encoderConfigOf(broadcast(camera), {}).pass_through, 'auto')
  t.throws(() => encoderConfigOf(broadcast({ encoder: 'never' }), {}), { code: 'bad_config' })
})

test('a capture device gives what it has, and no sound of its own', (t) => {
  const device = '/dev/video0'
  const formats = [{ format: 'mjpeg' as const, width: 1280, height: 720, rates: [30] }]
  const report = { inputs: [{ kind: 'v4l2' as const, device, label: 'Camera', formats }] }
  const source = { kind: 'v4l2', device }
  const config = encoderConfigOf(broadcast({ source }), report)
  t.like(config.picture, { format: 'mjpeg', size: { width: 1280, height: 720 }, fps: 30 })
  t.is(config.sound, null)
  const microphone = { source: { kind: 'alsa', device: 'hw:CARD=C920,DEV=0' }, gain_db: -6 }
  t.like(encoderConfigOf(broadcast({ source, sound: microphone }), report).sound, {
    source: { kind: 'alsa', device: 'hw:CARD=C920,DEV=0' },
    gain_db: -6,
  })
  t.throws(() => encoderConfigOf(broadcast({ source: { ...source, format: 'h264' } }), report), {
    code: 'bad_config',
    message: /no h264/,
  })
})

test('every configuration that comes of a broadcast is one that the encoder process takes', (t) => {
  const sources = [
    { kind: 'test-card' },
    { kind: 'v4l2', device: '/dev/video0' },
    { kind: 'rtsp', url: 'rtsp://camera/live' },
    { kind: 'srt', url: 'srt://camera:9000', passphrase: '0123456789' },
    { kind: 'file', path: '/srv/clip.mp4' },
  ]
  for (const source of sources)
    t.notThrows(() => encoderConfigSchema.parse(encoderConfigOf(broadcast({ source }), {})), source.kind)
})
