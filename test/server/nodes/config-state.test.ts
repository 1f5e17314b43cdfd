import test from 'ava'
import { nodeConfigSchema } from '../../../common/wire/node-config.ts'
import { stateCommandSchema } from '../../../common/wire/nodes-api.ts'
import { configState, isDue } from '../../../server/nodes/config-state.ts'
import { patched } from '../../../server/nodes/state-patch.ts'

const config = nodeConfigSchema.parse({})
const runs = (version: number | 'local') => ({ version, hash: '0'.repeat(64), applied_at: 0, config })
const said = (version: number, refused: boolean) => ({
  version,
  at: 0,
  refusal: refused ? { code: 'c', reason: 'r', details: [] } : null,
})

test('what is desired, what is so, and whether the device is told', (t) => {
  for (const [desired, actual, answered, asked, state, due] of [
    [null, null, null, null, 'unconfigured', false],
    [null, runs('local'), null, null, 'local', false],
    [3, null, null, null, 'pending', true],
    [3, runs(2), said(2, false), null, 'pending', true],
    [3, runs(3), said(3, false), null, 'applied', false],
    // The same device with another card: it has nothing.
    [3, null, said(3, false), null, 'pending', true],
    [3, runs(2), said(3, true), null, 'refused', true],
    [3, runs(2), said(3, true), 3, 'refused', false],
    [3, runs('local'), said(3, false), null, 'local', false],
    [3, runs('local'), said(2, false), null, 'pending', true],
    [3, runs('local'), said(3, true), null, 'refused', false],
    // A hub that was restored from a backup.
    [3, runs(7), said(3, false), null, 'pending', true],
  ] as const) {
    const record = {
      actual,
      answered: answered && {
        ...answered,
        refusal: answered.refusal && { ...answered.refusal, details: [] },
      },
    }
    const name = JSON.stringify([desired, actual?.version, answered, asked])
    t.is(configState(desired, record), state, name)
    t.is(isDue(desired, record, asked), due, name)
  }
})

test('each command changes its part of its broadcast and nothing else', (t) => {
  const before = nodeConfigSchema.parse({
    broadcasts: [
      { stream_id: 'a', source: { kind: 'test-card' }, kbps: { min: 100, max: 900 }, links: ['eth0'] },
      { stream_id: 'a', input: 'standby', source: { kind: 'test-card' }, sound: null },
    ],
    position: true,
  })
  const [first, second] = before.broadcasts
  const about = { stream_id: 'a' }
  const srt = { kind: 'srt', url: 'srt://10.0.0.1:9' } as const
  const { kbps: _, ...unbound } = first!
  const { links: __, ...anyLink } = first!
  for (const [command, expected] of [
    [{ do: 'stop' }, { ...first, on: false }],
    [{ do: 'start' }, first],
    [
      { do: 'source', source: srt },
      { ...first, source: srt },
    ],
    [
      { do: 'class', class: 'focus' },
      { ...first, class: 'focus' },
    ],
    [
      { do: 'bounds', kbps: { min: 50, max: 60 } },
      { ...first, kbps: { min: 50, max: 60 } },
    ],
    [{ do: 'bounds', kbps: null }, unbound],
    [
      { do: 'renditions', renditions: [{ width: 64, height: 64 }] },
      { ...first, renditions: [{ width: 64, height: 64 }] },
    ],
    [
      { do: 'fps', fps: 10 },
      { ...first, fps: 10 },
    ],
    [
      { do: 'sound', sound: null },
      { ...first, sound: null },
    ],
    [
      { do: 'gain', gain_db: 3 },
      { ...first, sound: { ...first!.sound, gain_db: 3 } },
    ],
    [
      { do: 'links', links: ['lte'] },
      { ...first, links: ['lte'] },
    ],
    [{ do: 'links', links: null }, anyLink],
  ] as const) {
    const after = patched(before, stateCommandSchema.parse({ ...about, ...command }))
    t.deepEqual<unknown, unknown>(
      after,
      { ...before, broadcasts: [expected, second] },
      JSON.stringify(command),
    )
  }
  const standby = stateCommandSchema.parse({ do: 'stop', stream_id: 'a', input: 'standby' })
  t.deepEqual(patched(before, standby).broadcasts, [first, { ...second!, on: false }])
  const refused = (command: object) =>
    t.throws(() => patched(before, stateCommandSchema.parse({ ...about, ...command })))
  t.like(refused({ do: 'stop', stream_id: 'b' }), {
    code: 'broadcast_unknown',
    details: ['it has: a, a standby'],
  })
  t.like(refused({ do: 'gain', gain_db: 3, input: 'standby' }), { code: 'bad_request' })
})
