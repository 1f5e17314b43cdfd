import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type Segment, SegmentFolder } from '../../../common/segments/segment-folder.ts'
import { mountSmallDisk } from '../../support/small-disk.ts'

function temporary(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'lanecast-segments-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

const named = (segments: readonly Segment[]) => segments.map(({ from, to, bytes }) => [from, to, bytes])
const piece = (bytes: number, fill = 0x47) => Buffer.alloc(bytes, fill)

test('segments stand in the order of their beginnings, also after a start anew', async (t) => {
  const folder = temporary(t)
  const open = () => SegmentFolder.open({ folder, mostBytes: () => 10_000 })
  const segments = await open()
  t.is(await segments.save('cam1', { from: 3000, to: 3999 }, [piece(100), piece(50)]), 'saved')
  t.is(await segments.save('cam1', { from: 1000, to: 2000 }, [piece(200)]), 'saved')
  t.is(await segments.save('cam2', { from: 500, to: 600 }, [piece(10, 1)]), 'saved')
  // A write that a power cut ended, and what is none of ours.
  writeFileSync(join(folder, 'cam1', '5000-6000.ts.part'), 'half')
  writeFileSync(join(folder, 'cam1', 'notes.txt'), 'a note')
  for (const each of [segments, await open()]) {
    t.deepEqual(named(each.of('cam1')), [
      [1000, 2000, 200],
      [3000, 3999, 150],
    ])
    t.is(each.bytes, 360)
    t.is(each.oldest?.stream, 'cam2')
    t.deepEqual(await each.read(each.of('cam2')[0]!), piece(10, 1))
  }
  t.deepEqual(readdirSync(join(folder, 'cam1')).toSorted(), ['1000-2000.ts', '3000-3999.ts', 'notes.txt'])
})

test('the same segment again is the same, another of the same range is refused', async (t) => {
  const segments = await SegmentFolder.open({ folder: temporary(t), mostBytes: () => 10_000 })
  const range = { from: 1, to: 2 }
  t.is(await segments.save('cam1', range, [piece(100)]), 'saved')
  t.is(await segments.save('cam1', range, [piece(60), piece(40)]), 'same')
  t.is(await segments.save('cam1', range, [piece(100, 9)]), 'differs')
  t.is(segments.bytes, 100)
})

test('the oldest gives way: of a stream to its own bound, of all to the bound of all', async (t) => {
  const gone: string[] = []
  const segments = await SegmentFolder.open({
    folder: temporary(t),
    mostBytes: () => 500,
    mostBytesOfStream: () => 300,
    gaveWay: ({ stream, from }) => gone.push(`${stream} ${from}`),
  })
  for (const from of [1, 2, 3, 4]) await segments.save('cam1', { from, to: from }, [piece(100)])
  t.deepEqual(gone, ['cam1 1'])
  for (const from of [5, 6, 7]) await segments.save('cam2', { from, to: from }, [piece(100)])
  t.deepEqual(gone, ['cam1 1', 'cam1 2'])
  t.is(segments.bytes, 500)
  t.is(await segments.save('cam1', { from: 9, to: 9 }, [piece(301)]), 'too_large')
  t.is(segments.bytes, 500)
})

test('what is removed is gone, and its folder with the last', async (t) => {
  const folder = temporary(t)
  const segments = await SegmentFolder.open({ folder, mostBytes: () => 500 })
  await segments.save('cam1', { from: 1, to: 1 }, [piece(100)])
  const [only] = segments.of('cam1')
  await segments.remove(only!)
  await segments.remove(only!)
  t.is(segments.bytes, 0)
  t.is(segments.oldest, null)
  t.false(existsSync(join(folder, 'cam1')))
})

test('on a full disk older segments give way, and without any the reason is told', async (t) => {
  using disk = mountSmallDisk(256)
  if (!disk) return void t.pass('this user may not mount')
  const segments = await SegmentFolder.open({ folder: join(disk.folder, 'kept'), mostBytes: () => 1e9 })
  for (let from = 1; from <= 12; from += 1)
    t.is(await segments.save('cam1', { from, to: from }, [piece(40_000)]), 'saved')
  const kept = segments.of('cam1').map(({ from }) => from)
  t.is(kept.at(-1), 12)
  t.true(kept.length < 9 && kept.length > 2)
  t.is(segments.bytes, kept.length * 40_000)
  while (segments.oldest) await segments.remove(segments.oldest)
  disk.fill()
  await t.throwsAsync(segments.save('cam1', { from: 99, to: 99 }, [piece(40_000)]), { code: 'ENOSPC' })
  disk.clear()
  t.is(await segments.save('cam1', { from: 99, to: 99 }, [piece(40_000)]), 'saved')
})

test('segments without weight are bounded by their number', async (t) => {
  const folder = temporary(t)
  const open = () => SegmentFolder.open({ folder, mostBytes: () => 10_000, mostSegments: 3 })
  const segments = await open()
  for (const from of [1, 2, 3, 4, 5]) await segments.save(`cam${from % 2}`, { from, to: from }, [piece(1)])
  t.deepEqual([segments.of('cam0').length, segments.of('cam1').length, segments.bytes], [1, 2, 3])
  t.is(segments.oldest?.from, 3)
  const again = await open()
  await again.save('cam0', { from: 9, to: 9 }, [piece(1)])
  t.is(again.oldest?.from, 4)
})
