import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { clock } from '../../../tools/doctor/checks/clock.ts'
import { configFile } from '../../../tools/doctor/checks/config-file.ts'
import { connectionTracking } from '../../../tools/doctor/checks/connection-tracking.ts'
import { database } from '../../../tools/doctor/checks/database.ts'
import { disk } from '../../../tools/doctor/checks/disk.ts'
import { librist } from '../../../tools/doctor/checks/librist.ts'
import { slates, slatesBy } from '../../../tools/doctor/checks/slates.ts'
import { socketBuffers } from '../../../tools/doctor/checks/socket-buffers.ts'
import { worker } from '../../../tools/doctor/checks/worker.ts'
import { startPostgres } from '../../support/postgres.ts'
import { mountSmallDisk } from '../../support/small-disk.ts'
import { freeTcpPorts } from '../../support/tcp-ports.ts'
import { certificateFiles } from './certificate-files.ts'
import { ask, folder, lines } from './doctor-rig.ts'

const onDisk = (dataDir: string) => ({ env: { AMNESIA: 'false', DATA_DIR: dataDir } })

test('a clock that is off is named, by a Date header', async (t) => {
  const { cert, key } = await certificateFiles(await folder(t), {})
  let aheadMs = 0
  await using server = createServer({ cert, key }, (_request, response) => {
    response.sendDate = false
    response.setHeader('date', new Date(Date.now() - aheadMs).toUTCString()).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const timeServer = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`
  t.is(lines(await ask(clock, [], { timeServer })), '')
  aheadMs = 10_000
  t.regex(
    lines(await ask(clock, [], { timeServer })),
    /^warning https:.*: the machine's clock is (9|10)\.\d s ahead -> .*set-ntp/,
  )
  aheadMs = -3_600_000
  t.regex(
    lines(await ask(clock, [], { timeServer })),
    /^fault https:.*: the machine's clock is (3599|3600)\.\d s behind/,
  )
})

test('a clock that is off is named, by SNTP, and answers to other questions do not count', async (t) => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  let aheadMs = 0
  const ntp = (ms: number) => {
    const bytes = Buffer.alloc(8)
    bytes.writeUInt32BE(Math.floor(ms / 1000) + 2_208_988_800)
    return bytes
  }
  socket.on('message', (question, { port, address }) => {
    const answer = Buffer.alloc(48)
    answer[0] = (4 << 3) | 4
    answer[1] = 2
    question.copy(answer, 24, 40, 48)
    for (const at of [32, 40]) ntp(Date.now() - aheadMs).copy(answer, at)
    const other = Buffer.from(answer)
    other.fill(1, 24, 32)
    for (const sent of [Buffer.alloc(3), other, answer]) socket.send(sent, port, address)
  })
  const timeServer = `sntp://127.0.0.1:${socket.address().port}`
  t.is(lines(await ask(clock, [], { timeServer })), '')
  aheadMs = 60_000
  t.regex(
    lines(await ask(clock, [], { timeServer })),
    /^fault sntp:.*: the machine's clock is 6\d\.\d s ahead/,
  )
})

test('without a way to a time server the doctor says that it could not ask', async (t) => {
  const [port] = (await freeTcpPorts(1)) as [number]
  const said = lines(await ask(clock, [], { timeServer: `https://127.0.0.1:${port}/` }))
  t.regex(said, /^unknown https:.*: nobody could be asked for the time: .*ECONNREFUSED/)
})

test('limits of the kernel are named with the line to set', async (t) => {
  const values: Record<string, string> = {
    'net.core.rmem_max': '212992',
    'net.core.wmem_max': '4194304',
    'net.ipv4.udp_mem': '1000\t2000\t3000',
    'net.netfilter.nf_conntrack_max': '65536',
    'net.netfilter.nf_conntrack_count': '50000',
  }
  const sysctl = (name: string) => values[name] ?? null
  const said = lines(await ask(socketBuffers, [], { sysctl })).split('\n')
  t.is(said.length, 2)
  t.regex(
    said[0]!,
    /^warning net\.core\.rmem_max: .*at most 212992 bytes.* -> sysctl -w net\.core\.rmem_max=4194304/,
  )
  t.regex(said[1]!, /^warning net\.ipv4\.udp_mem: .*3000 pages -> sysctl -w net\.ipv4\.udp_mem="/)
  t.regex(
    lines(await ask(connectionTracking, [], { sysctl })),
    /^warning .*50000 of at most 65536.*sysctl -w/,
  )
  values['net.netfilter.nf_conntrack_count'] = '65000'
  t.regex(lines(await ask(connectionTracking, [], { sysctl })), /^fault /)
  t.is(lines(await ask(connectionTracking, [], { sysctl: () => null })), '')
  t.regex(
    lines(await ask(socketBuffers, [], { sysctl: () => null })),
    /^unknown net\.core\.rmem_max: this kernel/,
  )
})

test('a data folder that others may read, and a disk without room', async (t) => {
  const dataDir = join(await folder(t), 'data')
  t.is(lines(await ask(disk, [], onDisk(dataDir))), '', 'it is not there yet')
  await mkdir(dataDir, { mode: 0o700 })
  t.is(lines(await ask(disk, [], onDisk(dataDir))), '')
  await chmod(dataDir, 0o755)
  t.regex(lines(await ask(disk, [], onDisk(dataDir))), /^warning .*others .* may read.* -> chmod 700 /)
  const small = mountSmallDisk(4096)
  if (!small) return t.log('only root may mount a small disk')
  t.teardown(() => small[Symbol.dispose]())
  t.regex(
    lines(await ask(disk, [], onDisk(join(small.folder, 'data')))),
    /^fault .*: \d MiB are free -> make room/,
  )
})

test('a database that can not be read', async (t) => {
  const dataDir = await folder(t)
  t.is(lines(await ask(database, [], onDisk(dataDir))), '')
  await writeFile(join(dataDir, 'lanecast.sqlite'), 'this is no database, whatever its name says'.repeat(100))
  t.regex(
    lines(await ask(database, [], onDisk(dataDir))),
    /^fault .*lanecast\.sqlite: the database can't be read: .* -> docs\/operations\.md/,
  )
})

test('a PostgreSQL that answers or not; its password is never told', async (t) => {
  await using server = await startPostgres()
  const url = await server.createDatabase()
  const by = (DATABASE_URL: string) => ({ env: { AMNESIA: 'false', DATABASE_URL } })
  const answered = await ask(database, [], by(url))
  t.regex(answered[0]?.what ?? '', /^PostgreSQL \d+.* answers$/)
  const [port] = (await freeTcpPorts(1)) as [number]
  const away = lines(await ask(database, [], by(`postgres://u:the-password@127.0.0.1:${port}/x`)))
  t.regex(away, /^fault DATABASE_URL .*can't be reached: ECONNREFUSED -> start PostgreSQL/)
  t.false(away.includes('the-password'))
})

test('an ffmpeg that draws no slates is named', async (t) => {
  t.is(lines(await ask(slates, [])), '')
  t.regex(
    lines(await ask(slatesBy('/nowhere/ffmpeg'), [])),
    /^warning ffmpeg: .* there is no \/nowhere\/ffmpeg .* -> install ffmpeg/,
  )
  t.regex(lines(await ask(slatesBy('false'), [])), /^warning ffmpeg: .*: exit code 1 -> install ffmpeg/)
})

test('the media worker and librist are there', async (t) => {
  t.is(lines(await ask(librist, [])), '')
  t.is(lines(await ask(worker, [])), '')
  t.regex(lines(await ask(worker, ['--batched-sends', 'false'])), /^warning BATCHED_SENDS .*one by one/)
})

test('a configuration that everybody may read is named, if it holds secrets', async (t) => {
  const file = join(await folder(t), 'hub.toml')
  const stream =
    '[[streams]]\nstream_id = "cam-1"\npassphrase = "at-least-8"\nusername = "u"\npassword = "at-least-8"\n'
  for (const [mode, text, says] of [
    [
      0o644,
      stream,
      /^warning .*hub\.toml: everybody on this machine may read it, .* -> chmod o-rwx .*hub\.toml;/,
    ],
    [0o640, stream, /^$/],
    [0o644, '[media]\nrtc_ip = "127.0.0.1"\n', /^$/],
  ] as const) {
    await writeFile(file, text)
    await chmod(file, mode)
    t.regex(lines(await ask(configFile, ['--config', file], { file })), says, String(mode))
  }
})
