import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, realpathSync } from 'node:fs'
import { join, resolve } from 'node:path'
import test from 'ava'
import { z } from 'zod'
import { readConfig } from '../../../server/config/config.ts'
import { SEVERITIES } from '../../../tools/doctor/check.ts'
import { CHECKS } from '../../../tools/doctor/checks.ts'
import { examine, worst } from '../../../tools/doctor/examine.ts'
import { freeTcpPorts } from '../../support/tcp-ports.ts'
import { plainHub } from './doctor-rig.ts'

const MAIN = resolve(import.meta.dirname, '../../../tools/doctor/main.ts')
const CHECK_FILES = resolve(import.meta.dirname, '../../../tools/doctor/checks')

const report = z.strictObject({
  result: z.enum(SEVERITIES),
  findings: z.array(
    z.strictObject({
      check: z.string(),
      severity: z.enum(SEVERITIES),
      where: z.string().min(1),
      what: z.string().min(1),
      change: z.string().min(1).nullable(),
    }),
  ),
})

interface Run {
  readonly code: number
  readonly stdout: string
}

/** The program as users run it, perhaps by another program. */
async function doctor(
  args: readonly string[],
  env: Record<string, string> = {},
  by: readonly string[] = [],
): Promise<Run> {
  const plain = [...(await plainHub())].filter(([flag]) => !args.includes(flag)).flat()
  const [program, ...words] = [...by, process.execPath, MAIN, ...plain, ...args] as [string, ...string[]]
  const own = { ...process.env, AMNESIA: 'true', ...env }
  return await new Promise((done) => {
    execFile(program, words, { env: own }, (error, stdout) =>
      done({ code: error ? Number(error.code) : 0, stdout }),
    )
  })
}

test('every check of the folder is in the table, once', (t) => {
  t.is(CHECKS.length, readdirSync(CHECK_FILES).length)
  t.is(new Set(CHECKS.map(({ name }) => name)).size, CHECKS.length)
})

test('exit 0 where nothing is to be changed, and JSON for programs', async (t) => {
  const [port] = (await freeTcpPorts(1)) as [number]
  // No clock is asked for: what can't be tried is nothing to change.
  const { code, stdout } = await doctor(['--json', '--time', `https://127.0.0.1:${port}/`])
  const { result, findings } = report.parse(JSON.parse(stdout))
  t.is(code, 0, stdout)
  t.is(result, 'unknown')
  t.deepEqual(new Set(findings.map(({ check }) => check)), new Set(CHECKS.map(({ name }) => name)))
  for (const { severity, change, where } of findings)
    if (severity === 'warning' || severity === 'fault') t.truthy(change, where)
})

test('exit 1 for a warning: few files may be opened', async (t) => {
  const { code, stdout } = await doctor([], {}, ['prlimit', '--nofile=300:300'])
  t.is(code, 1, stdout)
  t.regex(
    stdout,
    /^warning {2}file descriptors: ulimit -n: .*may open 300 files.*1024 connections.*1536\n {9}change: LimitNOFILE=/m,
  )
})

test('exit 2 for a fault: no media worker', async (t) => {
  const { code, stdout } = await doctor([], { MEDIASOUP_WORKER_BIN: '/nowhere/worker' })
  t.is(code, 2)
  t.regex(
    stdout,
    /^fault {4}media worker: MEDIASOUP_WORKER_BIN: .*\/nowhere\/worker.*\n {9}change: npm run setup$/m,
  )
})

test('exit 2 for a configuration that is not valid, with a line for each fault', async (t) => {
  const { code, stdout } = await doctor(['--json', '--rtc-port', 'x', '--rist-ip', 'x y'])
  t.is(code, 2)
  const { result, findings } = report.parse(JSON.parse(stdout))
  t.is(result, 'fault')
  t.deepEqual(
    findings.map(({ check }) => check),
    ['configuration', 'configuration'],
  )
  t.regex(findings.map(({ what }) => what).join(), /rtc-port.*rist-ip/)
})

test('a library that is missing is named', async (t) => {
  if (process.getuid?.() !== 0) return t.log('only root may hide a file')
  const folder = '/usr/lib/x86_64-linux-gnu'
  const found = readdirSync(folder).filter((name) => name.startsWith('librist.so.4'))
  if (found.length === 0) return t.log('librist is elsewhere')
  const library = realpathSync(join(folder, found[0]!))
  const hide = `mount --bind /dev/null ${library} && exec "$@"`
  const { code, stdout } = await doctor([], {}, ['unshare', '--mount', 'sh', '-c', hide, 'sh'])
  t.is(code, 2)
  t.regex(stdout, /^fault {4}librist: librist\.so\.4: .*\n {9}change: apt-get install librist4$/m)
})

test('a name that leads to this machine and to another one is named', async (t) => {
  if (process.getuid?.() !== 0) return t.log('only root may put another file in place of /etc/hosts')
  const hosts = '127.0.0.1 localhost mixed.example.com\\n192.0.2.7 mixed.example.com\\n'
  const put = `mount -t tmpfs none /mnt && printf '${hosts}' >/mnt/hosts && mount --bind /mnt/hosts /etc/hosts && exec "$@"`
  const { code, stdout } = await doctor(['--tls-names', 'mixed.example.com'], {}, [
    'unshare',
    '--mount',
    'sh',
    '-c',
    put,
    'sh',
  ])
  t.is(code, 1, stdout)
  t.regex(stdout, /^warning {2}dns: mixed\.example\.com: the name leads here, and also to 192\.0\.2\.7,/m)
})

test('ports below 1024 need a right', async (t) => {
  if (process.getuid?.() !== 0) return t.log('only root can give up a right')
  const first = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'))
  if (first < 2) return t.log('here nobody needs it')
  const { stdout } = await doctor(['--bind', '127.0.0.1:1'], {}, [
    'setpriv',
    '--bounding-set=-net_bind_service',
  ])
  t.regex(stdout, /^fault {4}ports: TCP 127\.0\.0\.1:1: .*below 1024\n {9}change: .*CAP_NET_BIND_SERVICE/m)
})

test('a check that fails is no finding against the hub, and the others go on', async (t) => {
  const read = readConfig([], { AMNESIA: 'true', OVERLAY_BIND: '127.0.0.1:0' }, {})
  if (read === 'help') throw new Error('nobody asked for help')
  const told = await examine({
    ...{ config: read.config, env: {}, timeServer: null },
    checks: [
      { name: 'broken', run: () => Promise.reject(new Error('no such thing')) },
      { name: 'good', run: async () => [{ severity: 'fine', where: 'x', what: 'y', change: null }] },
    ],
  })
  t.deepEqual(
    told.map(({ check, severity, what }) => [check, severity, what]),
    [
      ['broken', 'unknown', 'this could not be tried: no such thing'],
      ['good', 'fine', 'y'],
    ],
  )
  t.is(worst(told), 'unknown')
})
