import test from 'ava'
import { mediaSourceSchema, soundSourceSchema } from '../../../common/wire/node-config.ts'

const rtsp = (url: string, more: object = {}) => ({ kind: 'rtsp', url, ...more })
const srt = (url: string, more: object = {}) => ({ kind: 'srt', url, ...more })
const v4l2 = (device: string) => ({ kind: 'v4l2', device })
const file = (path: string) => ({ kind: 'file', path })

const TAKEN = [
  rtsp('rtsp://10.0.0.7/live', { username: 'viewer', password: 'ä "quoted" one' }),
  rtsp('rtsps://cam-1.example:322/a/b?channel=1&subtype=0'),
  rtsp('rtsp://[2001:db8::7]:554/h264/ch1@main/$x'),
  srt('srt://0.0.0.0:9000?mode=listener', { passphrase: '0123456789' }),
  v4l2('/dev/video0'),
  v4l2('/dev/v4l/by-id/usb-046d_HD_Pro_Webcam_C920-video-index0'),
  file('/srv/clips/a film, with "quotes" ! in it.mp4'),
]

const REFUSED: Readonly<Record<string, readonly object[]>> = {
  // GStreamer reads the host of these behind the @, Node before the #.
  'hosts that readers disagree about': [
    rtsp('rtsp://10.0.0.7#@evil.test/live'),
    rtsp('rtsp://10.0.0.7\\@evil.test/live'),
    rtsp('rtsp://10.0.0.7%2f@evil.test/live'),
    srt('srt://10.0.0.7#@evil.test:9'),
    rtsp('rtsp://10.0.0.7/live#x'),
    rtsp('rtsp://10.0.0.7/a\\b'),
  ],
  'a second line in a head of RTSP': [
    rtsp('rtsp://10.0.0.7/live\r\nCSeq: 9'),
    rtsp('rtsp://10.0.0.7/a b'),
    rtsp('rtsp://10.0.0.7/live', { username: 'a\r\nb' }),
    rtsp('rtsp://10.0.0.7/live', { password: 'a\nb' }),
  ],
  'texts that end early': [rtsp('rtsp://10.0.0.7/live', { password: 'a\0b' }), file('/srv/a\0b')],
  'secrets that would be shown': [
    rtsp('rtsp://user:secret@10.0.0.7/live'),
    rtsp('rtsp://user@10.0.0.7/live'),
    srt('srt://10.0.0.7:9000?mode=caller&passphrase=0123456789'),
  ],
  'paths out of /dev': [
    v4l2('/dev/../etc/shadow'),
    v4l2('/dev/v4l/../../x'),
    v4l2('/dev//x'),
    v4l2('/dev/.x'),
  ],
  'escapes for a terminal': [{ kind: 'test-card', name: '\u001b[2J' }, file('/srv/\u001b[2J')],
}

for (const source of TAKEN)
  test(`takes ${JSON.stringify(source)}`, (t) => {
    t.true(mediaSourceSchema.safeParse(source).success)
  })

for (const [what, sources] of Object.entries(REFUSED))
  for (const source of sources)
    test(`refuses ${what}: ${JSON.stringify(source)}`, (t) => {
      t.false(mediaSourceSchema.safeParse(source).success)
    })

test('a URL is read as it is used: line feeds and tabs are no part of it', (t) => {
  const url = 'rtsp://10.0.0.7\t.test/li\r\nve'
  t.like(mediaSourceSchema.parse({ kind: 'rtsp', url }), { url: 'rtsp://10.0.0.7.test/live' })
})

const ALSA = {
  taken: ['default', 'mic_left', 'hw:1,0', 'plughw:CARD=C920,DEV=0', 'sysdefault:CARD=C920', 'dsnoop:1'],
  // Plug-ins with arguments: the first two write files, others open what is named in them.
  refused: ['file:identity.json', 'tee:hw,x', 'plug:SLAVE=hw', 'hw:', ':', 'a b', 'x:y', ''],
}
for (const [what, devices] of Object.entries(ALSA))
  for (const device of devices)
    test(`sound of ${JSON.stringify(device)} is ${what}`, (t) => {
      t.is(soundSourceSchema.safeParse({ kind: 'alsa', device }).success, what === 'taken')
    })
