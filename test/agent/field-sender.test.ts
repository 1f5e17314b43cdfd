import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { startFieldSender } from '../support/field-sender.ts'
import { descendants } from '../support/processes.ts'
import { listen, RIST_SECRETS } from '../support/rist-bench.ts'
import { until } from '../support/until.ts'

/** An adaptation field without PCR, which would put other bytes there, that begins with a TEMI descriptor. */
const EXTENSION_ALONE = 0x01

/** The PIDs of TEMI stamps, which have TS packets of their own. */
function stampPids(chunks: readonly Buffer[]): number[] {
  const pids: number[] = []
  const bytes = Buffer.concat(chunks)
  for (let offset = 0; offset + 188 <= bytes.length; offset += 188) {
    const stampOnly =
      (bytes[offset + 3]! & 0x30) === 0x20 &&
      bytes[offset + 5] === EXTENSION_ALONE &&
      bytes[offset + 8] === 0x04
    if (stampOnly) pids.push(bytes.readUInt16BE(offset + 1) & 0x1fff)
  }
  return pids
}

test.serial('a field sender delivers a stamped test card over two links and stops cleanly', async (t) => {
  await using receiver = await listen(2)
  const links = receiver.ports.map((port, index) => ({ host: '127.0.0.1', port, cname: `modem-${index}` }))
  await using sender = await startFieldSender({
    links,
    ...RIST_SECRETS,
    card: { name: 'field test', width: 640, height: 360, videoKbps: 800, renditions: 2 },
  })
  await until(() => receiver.stats.length >= 2, 'two seconds of data')
  t.is(receiver.stats.at(-1)!.quality, 100)
  t.deepEqual(
    receiver.stats.at(-1)!.links.map((link) => link.cname),
    ['modem-0', 'modem-1'],
  )
  const pids = stampPids(receiver.chunks)
  t.is(new Set(pids).size, 2, 'both renditions are stamped')
  t.true(pids.length >= 4 && pids.length <= 24, String(pids.length))
  t.true(receiver.chunks.every((chunk) => chunk.length % 188 === 0 && chunk[0] === 0x47))
  await until(
    () => sender.links.length === 2 && sender.links.every((link) => link.alive),
    'its own statistics',
  )

  const [encoder] = descendants(sender.pid)
  t.truthy(encoder)
  t.is(sender.encoder, 'gstreamer')
  await sender.stop()
  t.is(await sender.exited, 0)
  await until(() => !existsSync(`/proc/${encoder}`), 'the encoder ended')
})

test.serial('a killed field sender leaves no encoder', async (t) => {
  await using receiver = await listen(1)
  const links = receiver.ports.map((port) => ({ host: '127.0.0.1', port }))
  await using sender = await startFieldSender({ links, ...RIST_SECRETS, card: { width: 320, height: 180 } })
  const [encoder] = descendants(sender.pid)
  await sender.kill()
  await until(() => !existsSync(`/proc/${encoder}`), 'the encoder ended')
  t.is(await sender.exited, null)
})

test.serial('where GStreamer lacks an element, ffmpeg encodes', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-gst-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  Object.assign(process.env, {
    GST_PLUGIN_SYSTEM_PATH_1_0: folder,
    GST_REGISTRY_1_0: join(folder, 'registry.bin'),
  })
  await using receiver = await listen(1)
  const links = receiver.ports.map((port) => ({ host: '127.0.0.1', port }))
  await using sender = await startFieldSender({ links, ...RIST_SECRETS, card: { width: 320, height: 180 } })
  await until(() => sender.encoder !== undefined, 'an encoder')
  t.is(sender.encoder, 'ffmpeg')
  await until(() => receiver.chunks.length > 20, 'what it sends')
  delete process.env['GST_PLUGIN_SYSTEM_PATH_1_0']
  delete process.env['GST_REGISTRY_1_0']
})

test.serial('a configuration that is wrong is refused without showing secrets', async (t) => {
  await t.throwsAsync(startFieldSender({ links: [], ...RIST_SECRETS }), {
    message: /ended with 1/,
  })
})
