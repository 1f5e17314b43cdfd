import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { Finding } from '../../../agent/doctor/finding.ts'
import { AgentMachine, callAgent } from '../../support/field-agent.ts'
import { startHub } from '../../support/hub.ts'
import { until } from '../../support/until.ts'

/** `lanecast-agent doctor` on this machine, with a hub that is there and then is not. */

const examined = async (folder: string) => {
  const { code, out, err } = await callAgent(['doctor', '--json', '--state-dir', folder])
  const { result, findings } = JSON.parse(out) as { result: string; findings: Finding[] }
  const of = (check: string) => findings.filter((one) => one.check === check)
  return { code, err, result, findings, of }
}

test('a machine that is enrolled nowhere is told how to be', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'doctor-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const { code, err, result, of } = await examined(folder)
  t.is(err, '')
  t.is(code, 1)
  t.is(result, 'fault')
  t.like(of('hub')[0], { severity: 'fault', change: 'lanecast-agent enrol URL TOKEN' })
  t.like(of('agent')[0], { severity: 'warning', what: 'the agent does not run' })
  t.true(of('encoders').some(({ severity, what }) => severity === 'fine' && what.startsWith('x264enc')))
  const { out } = await callAgent(['doctor', '--state-dir', folder])
  t.regex(out, /^FAULT {3}hub: this machine is enrolled nowhere\n {10}lanecast-agent enrol URL TOKEN$/m)
})

test('a running agent and its hub are found well, and a hub that is gone is a fault', async (t) => {
  t.timeout(120_000)
  const hub = await startHub([], { workers: 1, args: ['--tls', 'on'] })
  t.teardown(() => hub[Symbol.asyncDispose]())
  await using machine = await AgentMachine.enrol(hub, 'van-9')
  await machine.start()
  await until(async () => (await machine.status()).online, 'the hub hears it')
  const well = await examined(machine.folder)
  t.is(well.code, 0, JSON.stringify(well.findings))
  t.regex(well.of('hub')[0]!.what, /answers van-9 in \d+ ms \(TLSv1\.3\)/)
  t.regex(well.of('agent')[0]!.what, /the hub hears it/)
  t.like(well.of('agent')[1], { what: 'nobody has configured it' })
  t.not(well.of('clock')[0]!.severity, 'unknown')

  await hub[Symbol.asyncDispose]()
  const alone = await examined(machine.folder)
  t.is(alone.code, 1)
  t.regex(alone.of('hub')[0]!.what, /can not be reached: .*ECONNREFUSED/)
})
