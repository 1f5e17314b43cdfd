import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { type Config, ConfigError, loadConfig } from '../../server/config/config.ts'
import { helpText } from '../../server/config/help.ts'
import { SETTINGS } from '../../server/config/settings.ts'

const folder = mkdtempSync(join(tmpdir(), 'lanecast-config-'))
let files = 0

function file(text: string): string {
  const path = join(folder, `${files++}.toml`)
  writeFileSync(path, text)
  return path
}

function load(argv: string[], env: Record<string, string> = {}): Config {
  const command = loadConfig(argv, env)
  if (command.kind !== 'run') throw new Error('asked for help')
  return command.config
}

function problems(argv: string[], env: Record<string, string> = {}): readonly string[] {
  try {
    load(argv, env)
  } catch (error) {
    if (error instanceof ConfigError) return error.details
    throw error
  }
  return []
}

const STREAM = `
[[streams]]
stream_id = "cam-1"
passphrase = "correct horse"
username = "field"
password = "battery staple"
`

test('defaults are those of the overlay contract', (t) => {
  const config = load([])
  t.deepEqual(config.bind, { host: '127.0.0.1', port: 9415 })
  t.deepEqual(config.metrics, { host: '127.0.0.1', port: 0 })
  t.is(config.maxConnections, 1024)
  t.is(config.idleMs, 15_000)
  t.is(config.readMs, 5000)
  t.is(config.writeMs, 5000)
  t.is(config.logLevel, 'info')
  t.false(config.amnesia)
  t.regex(config.dataDir, /lanecast$/)
  t.is(config.databaseUrl, '')
  t.deepEqual(config.streams, [])
})

test('networks that webhooks may go to: none by default, addresses as well as ranges', (t) => {
  t.deepEqual(load([]).webhookNetworks, [])
  const path = file('[hub]\nwebhook_networks = ["10.1.0.0/16", "fd00::1"]\n')
  t.deepEqual(load(['--config', path]).webhookNetworks, ['10.1.0.0/16', 'fd00::1/128'])
  t.deepEqual(load([], { WEBHOOK_NETWORKS: '127.0.0.1, ::1' }).webhookNetworks, ['127.0.0.1/32', '::1/128'])
  t.regex(problems([], { WEBHOOK_NETWORKS: 'all' })[0] ?? '', /^WEBHOOK_NETWORKS/)
})

test('file, environment and flags win in this order', (t) => {
  const path = file('[hub]\nmax_conns = 10\nidle_ms = 1000\nread_ms = 1000\n')
  const config = load(['--config', path, '--max-conns', '30'], {
    OVERLAY_MAX_CONNS: '20',
    OVERLAY_IDLE_MS: '2000',
  })
  t.deepEqual([config.maxConnections, config.idleMs, config.readMs], [30, 2000, 1000])
})

test('every problem is named at once, with its source and what is allowed', (t) => {
  const path = file('[hub]\nidle_ms = "soon"\ncolour = "red"\n')
  t.deepEqual(problems(['--config', path, '--bind', 'nowhere'], { OVERLAY_MAX_CONNS: '0' }), [
    '--bind (flag): "nowhere" is not allowed; allowed: host:port or [ipv6]:port, the port from 0 to 65535',
    'OVERLAY_MAX_CONNS (environment): "0" is not allowed; allowed: a whole number from 1 to 1000000',
    'hub.idle_ms (config file): "soon" is not allowed; allowed: a whole number from 100 to 3600000',
    'hub.colour (config file): unknown; allowed: bind, id, deterministic_wired, max_conns, max_conns_per_address, max_kbps, drain_ms, trusted_proxies, webhook_networks, idle_ms, read_ms, write_ms, metrics_addr, log_level, amnesia, data_dir, database_url, keys_file, audit_keep_days, audit_archive_dir',
  ])
})

test('an unknown flag, a missing file and broken TOML are said in a line', (t) => {
  t.regex(problems(['--colour', 'red'])[0]!, /--colour.*--help/)
  t.regex(problems(['--config', '/nonexistent/hub.toml'])[0]!, /hub\.toml \(config file\): .*no such file/)
  t.regex(problems(['--config', file('[hub\n')])[0]!, /\(config file\): line 1, column \d+: /)
})

test('broken TOML never shows the line, which may hold a secret', (t) => {
  const [line = ''] = problems(['--config', file('passphrase = "correct horse" "oops"\n')])
  t.false(line.includes('correct horse'))
})

test('streams are read with their defaults', (t) => {
  const [stream] = load(['--config', file(STREAM)]).streams
  t.like(stream, { stream_id: 'cam-1', class: 'director', links: 2, aes_bits: 256, authentication: 'srp' })
})

test('bad streams are named by their place, never by their secrets', (t) => {
  const bad = STREAM.replace('"correct horse"', '"short"').replace('cam-1', '../etc/passwd')
  const found = problems(['--config', file(bad)])
  t.regex(found[0]!, /^streams\.0\.stream_id \(config file\): a stream id is/)
  t.regex(found[1]!, /^streams\.0\.passphrase \(config file\): at least 8/)
  t.false(found.join().includes('short'))
  t.regex(problems(['--config', file(STREAM + STREAM)])[0]!, /streams\.1\.stream_id .*twice/)
})

test('several senders of one stream are its inputs, in order, with rules for the switch', (t) => {
  const entry = (more: string) => STREAM + more
  const path = file(
    entry('input = "primary"\nreturn_after_ms = false\nfrozen_ms = 5000\n') + entry('input = "standby:2"\n'),
  )
  const [first, second] = load(['--config', path]).streams
  t.like(first, { input: { role: 'primary', priority: 1 }, return_after_ms: null, frozen_ms: 5000 })
  t.like(second, { stream_id: 'cam-1', input: { role: 'standby', priority: 2 } })
  const faults: Record<string, RegExp> = {
    [entry('input = "primary"\n') + entry('input = "primary"\n')]:
      /streams\.1\.stream_id .*"cam-1.primary".*twice/,
    [entry('input = "primary"\n') + entry('')]: /streams\.1\.input .*either all senders/,
    [entry('input = "primary"\n') + entry('input = "standby"\nclass = "focus"\n')]:
      /streams\.1\.class .*one class/,
    [entry('frozen_ms = 5000\n')]: /streams\.0\.frozen_ms .*only for a stream with inputs/,
    [entry('input = "standby:9"\n')]: /streams\.0\.input .*`primary` or `standby`/,
    [entry('input = "standby"\n').replace('cam-1', 'c'.repeat(60))]: /streams\.0\.stream_id .*at most 54/,
  }
  for (const [text, fault] of Object.entries(faults))
    t.regex(problems(['--config', file(text)])[0] ?? '', fault)
})

test('each link of each stream has a port of its own', (t) => {
  const withPorts = (id: string, ports: string) =>
    `${STREAM.replace('cam-1', id).trimEnd()}\nports = [${ports}]\n`
  const found = problems(['--config', file(withPorts('a', '9500, 9502') + withPorts('b', '9504, 9502'))])
  t.deepEqual(found, [
    'streams.1.ports (config file): 9502 is a port of "a" already; each link needs a port of its own',
  ])
  t.regex(problems(['--config', file(withPorts('a', '9500, 9500'))])[0]!, /9500 is a port of "a" already/)
})

test('ports of the media and of the links are apart', (t) => {
  t.deepEqual(problems(['--rist-ports', '9500-9899', '--rtp-ports', '9899-9950']), [
    'RIST_PORTS: 9500-9899 shares UDP ports with RTP_PORTS, 9899-9950; each needs ports of its own',
  ])
  t.regex(
    problems(['--rtc-port', '9499', '--workers', '2'])[0]!,
    /^RIST_PORTS: 9500-9899 .* RTC_PORT .*9499-9500/,
  )
  t.regex(
    problems(['--rtc-port', '9900', '--workers', '1'])[0]!,
    /^RTC_PORT .*: 9900 shares UDP ports with RTP_PORTS/,
  )
  const withPort = (port: number) => file(`${STREAM.trimEnd()}\nports = [${port}]\n`)
  t.deepEqual(problems(['--config', withPort(9950)]), [
    'streams.0.ports (config file): 9950 belongs to RTP_PORTS, 9900-10899; a link needs a port of its own',
  ])
  t.regex(
    problems(['--config', withPort(9421), '--workers', '2'])[0]!,
    /9421 belongs to RTC_PORT .*, 9420-9421/,
  )
})

test('SRP is mandatory unless a stream says otherwise', (t) => {
  const bare = STREAM.replace('username = "field"', '')
  t.regex(problems(['--config', file(bare)])[0]!, /^streams\.0 .*username and password are needed/)
  const [stream] = load(['--config', file(`${bare}authentication = "passphrase"\n`)]).streams
  t.is(stream?.authentication, 'passphrase')
})

test('what can not work is refused', (t) => {
  t.regex(problems([], { RTC_IP: '0.0.0.0' })[0]!, /^RTC_ANNOUNCED_ADDRESS: needed/)
  t.regex(problems([], { RIST_IP: '0.0.0.0' })[0]!, /^RIST_ANNOUNCED_ADDRESS: needed/)
  t.regex(
    problems([], { OVERLAY_BIND: '0.0.0.0:9415', TLS: 'off' })[0]!,
    /^TLS: off is allowed on loopback only/,
  )
})

test('a secret in a setting is never repeated, and has no flag', (t) => {
  const [line = ''] = problems([], { DATABASE_URL: 'mysql://hub:very-secret@db/x' })
  t.regex(line, /^DATABASE_URL: not allowed; allowed: a postgres/)
  t.false(line.includes('very-secret'))
  t.regex(problems(['--database-url', 'x'])[0]!, /--database-url.*--help/)
})

test('metrics stay on loopback, and proxies are addresses', (t) => {
  t.regex(problems(['--metrics-addr', '0.0.0.0:9464']).join(), /METRICS_ADDR: 0\.0\.0\.0 is not loopback/)
  t.deepEqual(load(['--trusted-proxies', '10.0.0.0/8, ::1']).trustedProxies, ['10.0.0.0/8', '::1'])
  for (const wrong of ['proxy.example', '10.0.0.0/33', '10.0.0.1/8/8', '::1/129'])
    t.regex(problems(['--trusted-proxies', wrong]).join(), /--trusted-proxies .* is not allowed/)
})

test('help lists every setting under all its names', (t) => {
  t.is(loadConfig(['--help'], {}).kind, 'help')
  const text = helpText()
  for (const setting of Object.values(SETTINGS))
    for (const name of [setting.flag === '' ? '' : `--${setting.flag}`, setting.env, setting.key])
      t.true(text.includes(name), name)
})
