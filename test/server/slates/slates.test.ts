import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { createLogger } from '../../../common/logger.ts'
import { MAX_UNIT_BYTES } from '../../../server/slates/slate-encoder.ts'
import { Slates, type SlatesOptions } from '../../../server/slates/slates.ts'
import { slowness } from '../../support/machine-speed.ts'
import { longestTurnMs } from '../../support/turn-probe.ts'
import { until } from '../../support/until.ts'
import { decode, ffmpeg, readUnit, whiteShare } from './read-slate.ts'

const ABOUT = { tenantId: 'acme', name: 'cam1', sinceUnixMs: Date.UTC(2026, 10, 30, 12, 34, 56) }
const HD = { width: 1280, height: 720 }

function slatesWith(options: Partial<SlatesOptions> = {}) {
  const plain: string[] = []
  const slates = new Slates({
    pictureOf: async () => null,
    plain: (because) => plain.push(because),
    logger: createLogger('silent'),
    // No test of pictures depends on how busy the machine is.
    patienceMs: 30_000,
    ...options,
  })
  return { slates, plain }
}

/** A program in place of ffmpeg, and how often it was started. */
async function programThat(script: string) {
  const folder = await mkdtemp(join(tmpdir(), 'slates-'))
  const program = join(folder, 'ffmpeg')
  await writeFile(program, `#!/bin/sh\necho x >>"${folder}/starts"\n${script}\n`)
  await chmod(program, 0o755)
  const starts = async () => (await readFile(join(folder, 'starts'), 'utf8').catch(() => '')).length / 2
  return { program, starts, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
}

const SIZES: readonly (readonly [asked: [number, number], made: [number, number]])[] = [
  [
    [320, 180],
    [320, 180],
  ],
  [
    [1280, 720],
    [1280, 720],
  ],
  [
    [3840, 2160],
    [3840, 2160],
  ],
  [
    [1080, 1920],
    [1080, 1920],
  ],
  [
    [641, 361],
    [640, 360],
  ],
  [
    [20_000, 100],
    [4096, 32],
  ],
  [
    [0, Number.NaN],
    [32, 32],
  ],
]

for (const [kind, program] of [
  ['drawn by ffmpeg', undefined],
  ['without ffmpeg', '/nowhere/ffmpeg'],
] as const) {
  for (const [[width, height], [wide, tall]] of SIZES) {
    test.serial(
      `a slate ${kind}, ${width}x${height}, is two IDR pictures that any decoder shows at once`,
      async (t) => {
        const { slates, plain } = slatesWith({ ffmpeg: program })
        await using _ = slates
        const [units = []] = await slates.pictures([{ width, height }], ABOUT)
        t.is(units.length, 2)
        const read = units.map(readUnit)
        for (const { types, sps, sliceType } of read) {
          t.deepEqual(types, [7, 8, 5])
          t.is(sliceType, 2)
          t.is(sps.profile, 'Constrained Baseline')
          t.is(sps.maxReorderFrames, 0)
          t.true(sps.browserFormat && sps.progressive)
          t.deepEqual([sps.width, sps.height], [wide, tall])
        }
        t.not(read[0]!.idrPicId, read[1]!.idrPicId)
        for (const { length } of units) t.true(length > 150 && length <= MAX_UNIT_BYTES, String(length))
        // Played over and over, as a lane does.
        const [first, second, third] = await decode([...units, units[0]!], wide * tall)
        t.true(first!.equals(second!))
        t.true(first!.equals(third!))
        const white = whiteShare(first!)
        t.true(tall < 100 || (white > 0.004 && white < 0.15), `${white} of it is white`)
        t.deepEqual(plain, program ? ['absent'] : [])
      },
    )
  }
}

test.serial('no text breaks a slate, and each has letters', async (t) => {
  const { slates, plain } = slatesWith()
  await using _ = slates
  const size = { width: 640, height: 360 }
  const names = [
    '',
    'مرحبا بالعالم',
    'שלום',
    '東京スタジオ',
    'नमस्ते',
    '👩‍👩‍👧‍👦 🇩🇪',
    '{\\pos(0,0)\\fs900}x',
    "a'b:c,d;e[f]g%h$(i)`j`\\N\\h\\",
    '\u202Eleft\u0000\r\n\nright\u2066',
    'z\u0301\u0302\u0303'.repeat(400),
    '\ud800 lone \udc00',
    'W'.repeat(5000),
    'studio-main.camera_left-3.standby-2.primary-0123456789-abcdefghij',
    'Dialogue: 0,0:00:00.00,9:00:00.00,Words,gone\n[Script Info]\nPlayResX: 1',
  ]
  for (const name of names) {
    const [units] = await slates.pictures([size], { ...ABOUT, name })
    const [picture] = await decode(units!, 640 * 360)
    const white = whiteShare(picture!)
    // The line of the time is always there, and no name covers the picture.
    t.true(white > 0.001 && white < 0.25, `${JSON.stringify(name.slice(0, 40))}: ${white}`)
  }
  t.deepEqual(plain, [])
})

test.serial('what the slate says stands in the picture', async (t) => {
  const { slates } = slatesWith()
  await using _ = slates
  const shown = async (about: Partial<typeof ABOUT>) => {
    const [units] = await slates.pictures([HD], { ...ABOUT, ...about })
    return (await decode(units!, 1280 * 720))[0]!
  }
  const one = await shown({})
  t.true(one.equals(await shown({})))
  t.false(one.equals(await shown({ name: 'cam2' })))
  t.false(one.equals(await shown({ sinceUnixMs: ABOUT.sinceUnixMs + 1000 })))
})

test.serial("a tenant's picture is the ground of its slates, and of no other tenant's", async (t) => {
  const jpeg = await ffmpeg(
    '-f lavfi -i color=c=0xC0C0C0:s=320x180 -frames:v 1 -f mjpeg pipe:1'.split(' '),
    new Uint8Array(),
  )
  const asked: string[] = []
  const { slates, plain } = slatesWith({
    pictureOf: async (tenantId) => {
      asked.push(tenantId)
      if (tenantId === 'away') throw new Error('the database is away')
      return tenantId === 'acme' ? { key: 'p1', jpeg } : null
    },
  })
  await using _ = slates
  const mean = async (tenantId: string) => {
    const [units] = await slates.pictures([HD], { ...ABOUT, tenantId })
    const [picture] = await decode(units!, 1280 * 720)
    const top = picture!.subarray(0, 1280 * 400)
    return top.reduce((sum, value) => sum + value, 0) / top.length
  }
  t.true((await mean('acme')) > 170)
  t.true((await mean('other')) < 60)
  t.true((await mean('away')) < 60)
  t.deepEqual(asked, ['acme', 'other', 'away'])
  t.deepEqual(plain, [])
})

test.serial('the same is made once, also for those who ask meanwhile', async (t) => {
  await using fake = await programThat('exec ffmpeg "$@"')
  const { slates } = slatesWith({ ffmpeg: fake.program })
  await using _ = slates
  const sizes = [HD, { width: 320, height: 180 }, HD]
  const [one, two] = await Promise.all([slates.pictures(sizes, ABOUT), slates.pictures(sizes, ABOUT)])
  t.deepEqual(one, two)
  t.deepEqual(one[0], one[2])
  t.is(await fake.starts(), 2)
  await slates.pictures([HD], ABOUT)
  t.is(await fake.starts(), 2)
  await slates.pictures([HD], { ...ABOUT, name: 'cam2' })
  t.is(await fake.starts(), 3)
})

test.serial('a child has one thread, also on a machine of many cores', async (t) => {
  await using fake = await programThat(`exec 3<&0
ffmpeg "$@" <&3 &
most=0
while kill -0 $! 2>/dev/null; do
  now=$(ls /proc/$!/task 2>/dev/null | wc -l)
  [ "$now" -gt "$most" ] && most=$now
done
echo "$most" >"$0.threads"
wait $!`)
  const { slates, plain } = slatesWith({ ffmpeg: fake.program })
  await using _ = slates
  await slates.pictures([{ width: 3840, height: 2160 }], ABOUT)
  t.deepEqual(plain, [])
  t.is((await readFile(`${fake.program}.threads`, 'utf8')).trim(), '1')
})

const TROUBLE = [
  ['says what is wrong', 'echo "no such filter: subtitles" >&2; exit 1', 'failed'],
  ['makes no pictures', 'cat >/dev/null; echo nothing', 'failed'],
  ['floods', 'exec cat /dev/zero', 'failed'],
  ['dies at once', 'kill -9 $$', 'failed'],
  [
    'takes all memory',
    '[ "$(ulimit -v)" -le 2000000 ] && [ "$(ulimit -t)" -le 60 ] && exec tail /dev/zero; sleep 60',
    'failed',
  ],
  ['hangs', 'exec sleep 60', 'late'],
] as const
for (const [what, script, because] of TROUBLE) {
  test.serial(`an ffmpeg that ${what} costs the slate its looks and nothing else`, async (t) => {
    await using fake = await programThat(script)
    const { slates, plain } = slatesWith({
      ffmpeg: fake.program,
      ...(because === 'late' && { patienceMs: 300 }),
    })
    await using _ = slates
    const [units] = await slates.pictures([HD], ABOUT)
    t.is((await decode(units!, 1280 * 720)).length, 2)
    // One that its time ended would be late.
    t.deepEqual(plain, [because])
    t.is(await fake.starts(), 1)
  })
}

test.serial('a slate that came too late is offered again, once, when all are made', async (t) => {
  await using fake = await programThat('sleep 0.4; exec ffmpeg "$@"')
  const { slates, plain } = slatesWith({ ffmpeg: fake.program, patienceMs: 250 })
  await using _ = slates
  const changed: string[] = []
  slates.onChange((tenantId) => changed.push(tenantId))
  const sizes = [HD, { width: 640, height: 360 }]
  const early = await slates.pictures(sizes, ABOUT)
  t.deepEqual(plain, ['late', 'late'])
  await until(() => changed.length > 0, 'it is offered')
  t.deepEqual(changed, ['acme'])
  const made = await slates.pictures(sizes, ABOUT)
  t.deepEqual(plain, ['late', 'late'])
  for (const [index, [picture]] of made.entries()) t.false(Buffer.from(picture!).equals(early[index]![0]!))
  t.is(await fake.starts(), 2)
  // Late again, as where the cache is too small for all: it stays plain.
  await slates.pictures([{ width: 320, height: 180 }], ABOUT)
  await until(async () => (await fake.starts()) === 3, 'the child runs')
  await slates.pictures([{ width: 320, height: 180 }], ABOUT)
  t.deepEqual(changed, ['acme'])
})

test.serial('many lanes that lose their input at once hold nothing else up', async (t) => {
  const turns: number[] = []
  for (let round = 0; round < 3; round += 1) {
    await using slates = slatesWith({ ffmpeg: '/nowhere/ffmpeg' }).slates
    const lanes = Array.from({ length: 40 }, (_, lane) => ({ ...ABOUT, name: `cam-${lane}` }))
    turns.push(await longestTurnMs(() => Promise.all(lanes.map((about) => slates.pictures([HD], about)))))
  }
  // All of them in one turn would take 100 ms and more.
  t.true(Math.min(...turns) / slowness() < 40, `${turns}`)
})

test.serial('nobody waits for a child when the hub stops', async (t) => {
  await using fake = await programThat('exec sleep 60')
  const { slates } = slatesWith({ ffmpeg: fake.program })
  const waiting = slates.pictures([HD, { width: 640, height: 360 }], ABOUT)
  const startedAt = performance.now()
  await slates[Symbol.asyncDispose]()
  t.is((await waiting).length, 2)
  t.true(performance.now() - startedAt < 5000)
})
