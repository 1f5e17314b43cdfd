import test from 'ava'
import { CodedError } from '../../../common/errors.ts'
import { configHash } from '../../../common/node-config/config-hash.ts'
import { hasMaskedSecrets, maskSecrets, unmaskSecrets } from '../../../common/node-config/config-secrets.ts'
import { configText, MAX_CONFIG_BYTES, parseConfigText } from '../../../common/node-config/config-text.ts'
import { type NodeConfig, nodeConfigSchema, SECRET_MASK } from '../../../common/wire/node-config.ts'

const FULL = nodeConfigSchema.parse({
  broadcasts: [
    {
      stream_id: 'stage',
      input: 'standby:2',
      source: { kind: 'rtsp', url: 'rtsps://10.0.0.7:322/live', username: 'root', password: 'open sesame' },
      sound: null,
      kbps: { min: 300, max: 4000 },
      links: ['lte-1'],
    },
    {
      stream_id: 'card',
      on: false,
      source: { kind: 'v4l2', device: '/dev/v4l/by-id/usb-Cam-index0', format: 'h264' },
      sound: { source: { kind: 'alsa', device: 'hw:1,0' }, gain_db: -6.5 },
    },
    { stream_id: 'far', source: { kind: 'srt', url: 'srt://cam.test:9000', passphrase: 'ten letters' } },
  ],
  uplinks: [{ link_id: 'lte-1', interface: 'wwan0' }],
})

test('a document is the same after it was written and read, in both formats', (t) => {
  for (const format of ['json', 'toml'] as const)
    t.deepEqual(parseConfigText(configText(FULL, format), format), FULL, format)
})

test('TOML as somebody writes it', (t) => {
  const text = `
    position = true
    [[broadcasts]]
    stream_id = "stage"
    source = { kind = "test-card", name = "Stage" }
    sound = false
    renditions = [{ width = 640, height = 360 }]
    [[uplinks]]
    link_id = "lte-1"
    interface = "wwan*"
  `
  t.like(parseConfigText(text, 'toml'), {
    position: true,
    broadcasts: [{ stream_id: 'stage', on: true, sound: null, fps: 30 }],
    uplinks: [{ link_id: 'lte-1', enabled: true }],
  })
})

test('texts that are no document', (t) => {
  const cases = [
    ['json', '{"broadcasts":', /^the configuration is not JSON$/, []],
    ['toml', 'password = "open sesame', /^the configuration is not TOML at line 1/, []],
    ['toml', 'broadcasts = 1', /not valid/, [/^broadcasts: expected array/]],
    ['json', 'null', /not valid/, [/^document: expected object/]],
    ['json', '{"__proto__":{"position":true}}', /not valid/, [/unknown: __proto__/]],
    [
      'json',
      '{"fps":1,"position":"yes"}',
      /not valid/,
      [/^position: /, /^document: unknown: fps; allowed: broadcasts/],
    ],
    ['json', '[1979-05-27]', /not JSON/, []],
    ['toml', 'position = 1979-05-27', /not valid/, [/^position: expected boolean/]],
    ['json', ' '.repeat(MAX_CONFIG_BYTES + 1), /longer than/, []],
    [
      'json',
      '{"broadcasts":[{"stream_id":"a","source":{"kind":"rtsp","url":"rtsp://u:open%20sesame@h/"}}]}',
      /not valid/,
      [/^broadcasts\.0\.source\.url: a URL holds no user name/],
    ],
  ] as const
  for (const [format, text, message, details] of cases) {
    const error = t.throws(
      () => parseConfigText(text, format),
      { instanceOf: CodedError, message },
      text.slice(0, 80),
    )
    t.is(error?.code, 'config_invalid')
    t.is(error?.details.length, details.length, error?.details.join('\n'))
    for (const [at, detail] of details.entries()) t.regex(error!.details[at]!, detail)
    t.notRegex(
      `${error?.message} ${error?.details}`,
      /open.*sesame/,
      'no text is repeated: it may hold a password',
    )
  }
})

test('secrets are masked, and put back for the same address only', (t) => {
  const masked = maskSecrets(FULL)
  t.notRegex(JSON.stringify(masked), /open sesame|ten letters/)
  t.true(hasMaskedSecrets(masked))
  t.false(hasMaskedSecrets(FULL))
  t.is(configHash(masked), configHash(FULL))
  t.not(configHash({ ...FULL, position: true }), configHash(FULL))
  t.deepEqual(unmaskSecrets(masked, FULL), { config: FULL, missing: [] })

  const with0 = (change: object): NodeConfig =>
    nodeConfigSchema.parse({
      broadcasts: [{ ...masked.broadcasts[0], ...change }],
    })
  const source = masked.broadcasts[0]!.source
  const kept = { ...source, url: 'rtsps://10.0.0.7:322/other' }
  t.like(unmaskSecrets(with0({ source: kept }), FULL).config.broadcasts[0]?.source, {
    password: 'open sesame',
  })
  const refused: readonly [string, object, NodeConfig | null][] = [
    ['another host', { source: { ...source, url: 'rtsps://evil.test:322/live' } }, FULL],
    ['another port', { source: { ...source, url: 'rtsps://10.0.0.7/live' } }, FULL],
    ['in the clear', { source: { ...source, url: 'rtsp://10.0.0.7:322/live' } }, FULL],
    ['another user', { source: { ...source, username: 'guest' } }, FULL],
    ['another kind', { source: { kind: 'srt', url: 'srt://10.0.0.7:322', passphrase: '**********' } }, FULL],
    ['another stream', { stream_id: 'new' }, FULL],
    ['nothing before', {}, null],
    ['a masked one before', {}, masked],
  ]
  for (const [name, change, before] of refused) {
    const { missing, config } = unmaskSecrets(with0(change), before)
    const isMask = JSON.stringify(config).includes(`"${SECRET_MASK}"`)
    t.is(missing.length, isMask ? 1 : 0, name)
    t.notRegex(JSON.stringify(config), /open sesame/, name)
  }
})
