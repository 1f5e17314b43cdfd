import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../../common/errors.ts'
import { DEFAULT_ACL } from '../../policy/default-acl.ts'
import { FieldLab, type LabSender } from '../support/field-lab.ts'
import { PlayedTrace } from '../support/link-traces/link-trace.ts'
import { TRACES } from '../support/link-traces/traces.ts'
import { type FleetOptions, readFleetOptions } from './fleet-options.ts'
import { senderLines } from './sender-lines.ts'
import { forwardTcp } from './tcp-forward.ts'

/**
 * The fleet inside a network namespace that `main.ts` made. It ends when its standard input does. Arguments: a folder for
 * its sockets, then those of `npm run fleet`.
 */

const EVERY_MS = 1000

async function fleet(folder: string, options: FleetOptions, stopped: AbortSignal): Promise<void> {
  const [, port = ''] = options.bind.split(':')
  const rtcPort = Number(port) + 5
  await using lab = await FieldLab.open({
    bind: `10.99.0.1:${port}`,
    rtcPort,
    // Browsers outside reach the media by the TCP port that is forwarded to them.
    args: ['--rtc-ip', '127.0.0.1'],
    logLevel: options.verbose ? 'info' : 'error',
  })
  await using _pages = await forwardTcp(
    { path: join(folder, 'pages') },
    { host: '10.99.0.1', port: Number(port) },
  )
  await using _media = await forwardTcp({ path: join(folder, 'media') }, { host: '127.0.0.1', port: rtcPort })
  const everybody = {
    name: 'everybody watches the fleet',
    effect: 'allow' as const,
    subjects: ['anonymous'],
    actions: ['subscribe' as const, 'stream.read' as const],
    streams: ['*'],
  }
  await lab.hub.putPolicy({ acl: [...DEFAULT_ACL, everybody] })
  const senders: LabSender[] = []
  for (let number = 1; number <= options.senders && !stopped.aborted; number += 1)
    senders.push(await startSender(lab, number, options))
  if (!options.json)
    for (const { machine } of senders) say(`  https://${options.bind}/watch/${streamOf(machine.nodeId)}`)
  while (!stopped.aborted) {
    for (const { machine } of senders) {
      const status = await machine.status().catch(() => null)
      const broadcast = status?.broadcasts[0]
      if (options.json) say(JSON.stringify({ node_id: machine.nodeId, ...broadcast }))
      else for (const line of senderLines(machine.nodeId, broadcast)) say(line)
    }
    await delay(EVERY_MS, undefined, { signal: stopped }).catch(() => {})
  }
}

const streamOf = (nodeId: string): string => nodeId.replace('van', 'cam')

async function startSender(lab: FieldLab, number: number, options: FleetOptions): Promise<LabSender> {
  const interfaces = Array.from({ length: options.links }, (_, link) => `wwan${link}`)
  const sender = await lab.enrol({ nodeId: `van-${number}`, interfaces })
  const trace = TRACES[options.trace]
  if (trace) sender.carrier.play(new PlayedTrace(trace))
  const name = streamOf(sender.machine.nodeId)
  await sender.machine.start(
    {
      uplinks: [...sender.uplinks],
      broadcasts: [{ stream_id: name, class: options.class, source: { kind: 'test-card', name } }],
    },
    options.verbose ? 'info' : 'error',
  )
  return sender
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

const [folder = '', ...args] = process.argv.slice(2)
const stop = new AbortController()
void once(process.stdin.resume(), 'end').then(() => stop.abort())
try {
  await mkdir(folder, { recursive: true })
  const options = readFleetOptions(args)!
  if (options.seconds !== undefined) setTimeout(() => stop.abort(), options.seconds * 1000)
  await fleet(folder, options, stop.signal)
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`)
  process.exitCode = 1
}
process.exit()
