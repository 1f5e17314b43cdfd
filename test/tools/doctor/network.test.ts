import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { dns } from '../../../tools/doctor/checks/dns.ts'
import { mediaAddresses } from '../../../tools/doctor/checks/media-addresses.ts'
import { ports } from '../../../tools/doctor/checks/ports.ts'
import { reach } from '../../../tools/doctor/checks/reach.ts'
import { relays } from '../../../tools/doctor/checks/relays.ts'
import { stunServer } from '../../server/media-addresses/stun-server.ts'
import { startCoturn } from '../../support/coturn.ts'
import { startHub } from '../../support/hub.ts'
import { freeTcpPorts } from '../../support/tcp-ports.ts'
import { freeUdpPorts, freeUdpRange } from '../../support/udp-ports.ts'
import { until } from '../../support/until.ts'
import { ask, folder, lines } from './doctor-rig.ts'

test('ports that can be opened are fine', async (t) => {
  const told = await ask(ports, [])
  t.is(lines(told), '')
  t.regex(told[0]?.what ?? '', /^5 ports can be opened$/)
})

test('a port that another program has is named, with who has it and the setting', async (t) => {
  const [tcp] = (await freeTcpPorts(1)) as [number]
  const [udp] = (await freeUdpPorts(1)) as [number]
  await using server = createServer((one) => one.resume()).listen(tcp, '127.0.0.1')
  await once(server, 'listening')
  const socket = createSocket('udp4').bind(udp, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  const taken = lines(
    await ask(ports, ['--bind', `127.0.0.1:${tcp}`, '--rist-ports', `${udp}-${udp}`]),
  ).split('\n')
  t.is(taken.length, 2)
  t.regex(
    taken[0]!,
    new RegExp(
      `^fault TCP 127\\.0\\.0\\.1:${tcp}: pid ${process.pid}, .*has the port -> stop .*OVERLAY_BIND \\(hub\\.bind\\)`,
    ),
  )
  t.regex(
    taken[1]!,
    new RegExp(
      `^fault UDP 127\\.0\\.0\\.1:${udp}: pid ${process.pid}, .*RIST_PORTS \\(media\\.rist_ports\\)`,
    ),
  )
})

test('of the program that has a port no argument is told: it may be a password', async (t) => {
  const [tcp] = (await freeTcpPorts(1)) as [number]
  const folder = mkdtempSync(join(tmpdir(), 'lanecast-doctor-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  writeFileSync(
    join(folder, 'other.cjs'),
    `require('node:net').createServer().listen(${tcp}, '127.0.0.1', () => process.send('listens'))`,
  )
  const words = ['other.cjs', '--url=postgres://u:hunter2@db/x', '--password', 'swordfish']
  const other = spawn(process.execPath, words, {
    ...{ argv0: 'node', cwd: folder },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  t.teardown(() => other.kill())
  await once(other, 'message')
  const said = lines(await ask(ports, ['--bind', `127.0.0.1:${tcp}`]))
  t.regex(said, new RegExp(`pid ${other.pid}, node other\\.cjs, has the port`))
  t.notRegex(said, /hunter2|swordfish/)
})

test('an address of no interface is named', async (t) => {
  const said = lines(await ask(ports, ['--rist-ip', '203.0.113.9', '--rist-ports', '19000-19000']))
  t.regex(said, /^fault UDP 203\.0\.113\.9:19000: no interface of this machine has the address/)
})

test('of many faults the first are told, and the rest is counted', async (t) => {
  const said = lines(await ask(ports, ['--rist-ip', '203.0.113.9', '--rist-ports', '19010-19029'])).split(
    '\n',
  )
  t.is(said.length, 6)
  t.regex(said.at(-1)!, /15 more ports/)
})

test('the ports of the running hub are its own', async (t) => {
  const [port] = (await freeTcpPorts(1)) as [number]
  const rtc = await freeUdpRange(2)
  await using _hub = await startHub([], { workers: 1, bind: `127.0.0.1:${port}`, rtcPort: rtc })
  const told = await ask(ports, ['--bind', `127.0.0.1:${port}`, '--rtc-port', String(rtc)])
  t.is(lines(told), '')
  t.regex(told[0]?.what ?? '', /the running hub has 3/)
})

test('a STUN server that does not answer is a fault, which says what to set', async (t) => {
  await using silent = await stunServer(null)
  const said = lines(await ask(mediaAddresses, ['--stun-server', `127.0.0.1:${silent.port}`]))
  t.regex(said, /^fault STUN_SERVER \(media\.stun_server\): .*no answer in 4 s -> .*RTC_ANNOUNCED_ADDRESS/m)
})

test('an address set by hand that is not the one that others see is named', async (t) => {
  await using server = await stunServer('203.0.113.7')
  const stun = ['--stun-server', `127.0.0.1:${server.port}`]
  const said = lines(await ask(mediaAddresses, [...stun, '--rtc-announced-address', '203.0.113.8']))
  t.regex(
    said,
    /^warning RTC_ANNOUNCED_ADDRESS .*it is 203\.0\.113\.8, .* sees this machine at 203\.0\.113\.7 -> set it to 203\.0\.113\.7/,
  )
  t.is(lines(await ask(mediaAddresses, [...stun, '--rtc-announced-address', '203.0.113.7'])), '')
  t.is(lines(await ask(mediaAddresses, stun)), '')
})

test('viewers elsewhere are told no address of loopback, and no private one', async (t) => {
  const out = ['--bind', '0.0.0.0:0', '--rist-announced-address', '203.0.113.7']
  t.regex(
    lines(await ask(mediaAddresses, out)),
    /^fault RTC_IP \(media\.rtc_ip\): .*their own machine -> set .* to 0\.0\.0\.0$/m,
  )
  const inside = [...out, '--rtc-ip', '0.0.0.0', '--rtc-announced-address', '10.1.2.3']
  t.regex(
    lines(await ask(mediaAddresses, inside)),
    /^warning RTC_ANNOUNCED_ADDRESS .*only this network reaches/m,
  )
})

test('names that lead nowhere or elsewhere are named', async (t) => {
  t.is(lines(await ask(dns, ['--tls-names', 'localhost'])), '')
  const nowhere = lines(await ask(dns, ['--tls-names', 'no.such.name.invalid']))
  t.regex(nowhere, /^fault no\.such\.name\.invalid: .*can't be resolved: E\w+ -> give .* an A or AAAA record/)
  // A resolver takes an address that is written as one number: 192.0.2.1.
  const elsewhere = lines(await ask(dns, ['--tls-names', '3221225985']))
  t.regex(
    elsewhere,
    /^warning 3221225985: the name leads to 192\.0\.2\.1, and none of that .* -> let the A or AAAA/,
  )
})

test('what arrives from this machine is fine, what does not is named', async (t) => {
  const [port] = (await freeUdpPorts(1)) as [number]
  const rtc = ['--rtc-port', String(port)]
  const told = await ask(reach, rtc)
  t.is(lines(told), '')
  t.is(told.length, 3)
  const away = await ask(reach, [...rtc, '--rtc-announced-address', '192.0.2.1'])
  t.regex(
    lines(away),
    new RegExp(`^warning TCP 192\\.0\\.2\\.1:${port}: .* -> let the firewall .*RTC_PORT`, 'm'),
  )
  t.regex(lines(away), new RegExp(`^warning UDP 192\\.0\\.2\\.1:${port}: `, 'm'))
})

test('coturn beside the hub is asked: it is missing, has another secret, or is fine', async (t) => {
  const [port] = (await freeTcpPorts(1)) as [number]
  const relayPorts = await freeUdpRange(10)
  const place = await folder(t)
  const secretFile = join(place, 'secret')
  const flags = ['--turn-mode', 'coturn', '--turn-port', String(port), '--turn-tls-port', '0']
  flags.push('--turn-relay-ports', `${relayPorts}-${relayPorts + 9}`, '--rtc-ip', '127.0.0.1')
  const asked = async (file: string) => lines(await ask(relays, [...flags, '--turn-secret-file', file]))
  t.regex(
    await asked(secretFile),
    /^fault relay hub-turn: its secret can't be read: .*secret.* -> npm run turn:coturn-config/,
  )
  await using coturn = await startCoturn(flags, secretFile)
  await until(async () => (await asked(secretFile)) === '', 'coturn is fine')
  const other = join(place, 'other')
  writeFileSync(other, 'another-secret-of-somebody', { mode: 0o600 })
  t.regex(
    await asked(other),
    /^warning relay hub-turn, turn:127\.0\.0\.1:\d+\?transport=tcp: it answers, and refuses the hub's credentials: .* -> give it the hub's secret/,
  )
  await coturn.kill()
  const [udp, tcp] = (await asked(secretFile)).split('\n')
  t.regex(
    udp ?? '',
    /^warning relay hub-turn, turn:.*=udp: it can't be used from this machine: .*ECONNREFUSED -> npm run turn:coturn-config/,
  )
  t.regex(tcp ?? '', /=tcp: it can't be used from this machine: .*ECONNREFUSED .* -> .*; open TCP \d+ to it$/)
})
