import test from 'ava'
import { deviceProblems } from '../../../agent/config/device-problems.ts'
import { EMPTY_NODE_CONFIG, type NodeConfig, nodeConfigSchema } from '../../../common/wire/node-config.ts'
import { type NodeReport, nodeReportSchema } from '../../../common/wire/node-report.ts'

const WEBCAM = '/dev/v4l/by-id/usb-Cam-index0'

/** A board with a camera of two formats, a microphone, one encoder and three uplinks. */
const BOARD = nodeReportSchema.parse({
  interfaces: [
    ['eth0', 'eth0', 'wired'],
    ['wwan0', 'usb-1-1', 'cellular'],
    ['wwan1', 'usb-1-2', 'cellular'],
    ['docker0', null, 'other'],
  ].map(([name, link_id, kind]) => ({
    name,
    kind,
    link_id,
    carrier: true,
    mac: null,
    addresses: [],
    gateway: null,
    mtu: 1500,
    path: null,
    modem: null,
  })),
  inputs: [
    {
      kind: 'v4l2',
      device: WEBCAM,
      label: 'Cam',
      formats: [
        { format: 'raw', width: 640, height: 480, rates: [30] },
        { format: 'mjpeg', width: 1920, height: 1080, rates: [30] },
      ],
    },
    { kind: 'alsa', device: 'hw:CARD=Cam,DEV=0', label: 'Cam microphone', formats: [] },
  ],
  encoders: [
    { element: 'v4l2h264enc', works: false, reason: 'no device', fps_720p: null },
    { element: 'x264enc', works: true, reason: null, fps_720p: 60 },
  ],
  system: {
    cpu: 0.1,
    cores: 4,
    memory_mb: { total: 1000, available: 500 },
    disk_mb: { total: 8000, available: 100 },
    temperature_c: null,
    throttled: null,
    load_1m: 0,
  },
})
const FILES: Record<string, string> = {
  [WEBCAM]: '/dev/video0',
  '/dev/video0': '/dev/video0',
  '/dev/video9': '/dev/video9',
}

const card = { stream_id: 'a', source: { kind: 'test-card' } }
const camera = (more: object = {}) => ({ stream_id: 'a', source: { kind: 'v4l2', device: WEBCAM, ...more } })
const one = (broadcast: object) => ({ broadcasts: [{ ...broadcast }] })
const small = [{ width: 640, height: 360 }]

const problemsOf = (document: unknown, before: NodeConfig = EMPTY_NODE_CONFIG, report: NodeReport = BOARD) =>
  deviceProblems(nodeConfigSchema.parse(document), before, {
    report,
    realPath: (path) => FILES[path] ?? null,
  })

test('what the device can do', (t) => {
  const documents: Record<string, object> = {
    nothing: {},
    'a test card': one(card),
    'the camera': one(camera()),
    'the camera by another name': one(camera({ device: '/dev/video0' })),
    'a device that nobody reported, but is there': one(camera({ device: '/dev/video9' })),
    'the camera, with its microphone': one({
      ...camera(),
      sound: { source: { kind: 'alsa', device: 'plughw:CARD=Cam,DEV=0' } },
    }),
    "a name of ALSA's own": one({ ...card, sound: { source: { kind: 'alsa', device: 'default' } } }),
    'a camera somewhere else': one({
      stream_id: 'a',
      source: { kind: 'rtsp', url: 'rtsp://cam/1' },
      encoder: 'never',
    }),
    'links that it has': one({ ...card, links: ['eth0', 'usb-1-1'] }),
    'a link that the document makes': {
      ...one({ ...card, links: ['mine'] }),
      uplinks: [{ link_id: 'mine', interface: 'ppp0' }],
    },
    'what is off, for another day': one({ ...camera({ device: '/dev/video5' }), on: false, links: ['far'] }),
    'one uplink is enough': {
      ...one(card),
      uplinks: [{ link_id: 'eth0', interface: 'eth0', enabled: false }],
      not_uplinks: ['wwan1'],
    },
    'all uplinks off, and nothing on air': { not_uplinks: ['*'] },
    'another interface becomes the uplink': {
      ...one(card),
      not_uplinks: ['eth*', 'wwan*'],
      uplinks: [{ link_id: 'dock', interface: 'docker0' }],
    },
  }
  for (const [name, document] of Object.entries(documents)) t.deepEqual(problemsOf(document), [], name)
})

test('what the device can not do, with what it can', (t) => {
  const cases: readonly (readonly [object, readonly RegExp[]])[] = [
    [
      one(camera({ device: '/dev/video5' })),
      [
        /^broadcasts\.0\.source\.device: there is no \/dev\/video5; there are: .*by-id\/usb-Cam-index0 \(Cam\)$/,
      ],
    ],
    [one(camera({ format: 'h264' })), [/source\.format: .*no h264; it delivers raw, mjpeg$/]],
    [one({ ...camera({ format: 'raw' }) }), [/renditions: 1280x720 is larger .* 640x480$/]],
    [
      one({ stream_id: 'a', source: { kind: 'file', path: '/clip.ts' } }),
      [/source\.path: there is no file \/clip\.ts/],
    ],
    [
      one({ ...card, sound: { source: { kind: 'alsa', device: 'hw:3,0' } } }),
      [/there is no hw:3,0; there are: hw:CARD=Cam,DEV=0 \(Cam microphone\)/],
    ],
    [one({ ...card, encoder: 'never' }), [/encoder: pictures of this source must be encoded/]],
    [
      one({ ...card, fps: 60, renditions: [...small, { width: 1280, height: 720 }] }),
      [/75 pictures of 1280x720 a second; the device encodes 60/],
    ],
    [one({ ...card, links: ['eth0', 'lte'] }), [/links: there is no lte; there are: eth0, usb-1-1, usb-1-2/]],
    [
      {
        ...one({ ...card, links: ['eth0'] }),
        uplinks: [{ link_id: 'eth0', interface: 'eth0', enabled: false }],
      },
      [/links: every one of them is disabled/],
    ],
    [{ ...one(card), not_uplinks: ['eth*', 'wwan*'] }, [/leaves no uplink/]],
    [{ backlog_mb: 9000 }, [/backlog_mb: 9000 is more than the whole disk, 8000/]],
    [
      { broadcasts: [camera(), { ...camera({ device: '/dev/video0' }), stream_id: 'b' }] },
      [/^broadcasts\.1: \/dev\/video0 is in use by broadcasts\.0/],
    ],
    [
      {
        broadcasts: [
          { ...camera({ device: '/dev/video5' }), links: ['lte'] },
          { ...card, stream_id: 'b', encoder: 'never' },
        ],
        backlog_mb: 9000,
      },
      [/video5/, /broadcasts\.1\.encoder/, /no lte/, /backlog_mb/],
    ],
  ]
  for (const [document, expected] of cases) {
    const problems = problemsOf(document)
    t.is(problems.length, expected.length, `${JSON.stringify(document)}: ${problems.join('\n')}`)
    for (const [at, pattern] of expected.entries()) t.regex(problems[at] ?? '', pattern)
  }
  const broken = { ...BOARD, encoders: BOARD.encoders!.map((each) => ({ ...each, works: false })) }
  t.regex(
    problemsOf(one(card), EMPTY_NODE_CONFIG, broken)[0] ?? '',
    /no encoder of the device works \(v4l2h264enc: no device; /,
  )
})

test('what is not known yet is not held against a document', (t) => {
  const all = one({
    ...camera({ device: '/dev/video5' }),
    links: ['far'],
    sound: { source: { kind: 'alsa', device: 'hw:3,0' } },
  })
  t.deepEqual(problemsOf({ ...all, backlog_mb: 900_000 }, EMPTY_NODE_CONFIG, {}), [])
})

test('a change is not refused for what is away and was asked for before', (t) => {
  const settings = {
    ...camera(),
    links: ['usb-1-1'],
    sound: { source: { kind: 'alsa', device: 'hw:CARD=Cam,DEV=0' } },
  }
  const before = nodeConfigSchema.parse(one(settings))
  const pulled = { ...BOARD, inputs: [], interfaces: BOARD.interfaces!.slice(0, 1), encoders: [] }
  const gone = (document: object) =>
    deviceProblems(nodeConfigSchema.parse(document), before, { report: pulled, realPath: () => null })
  t.deepEqual(gone(one({ ...settings, class: 'focus', fps: 25 })), [])
  t.is(gone(one({ ...settings, links: ['usb-1-1', 'usb-1-2'] })).length, 1)
  t.is(gone(one(camera({ format: 'mjpeg' }))).length, 1)
  const off = nodeConfigSchema.parse(one({ ...settings, on: false }))
  t.is(
    deviceProblems(before, off, { report: pulled, realPath: () => null }).length,
    3,
    'what was off is looked at when it is turned on',
  )
})
