import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { messageOf } from '../../common/errors.ts'
import { wayToNamespace } from '../support/namespaces.ts'
import { FLEET_HELP, readFleetOptions } from './fleet-options.ts'
import { forwardTcp } from './tcp-forward.ts'

/** `npm run fleet`: field senders in network namespaces, and a way to their hub for browsers of this machine. */

const FLEET = resolve(import.meta.dirname, 'fleet-main.ts')

async function main(args: readonly string[]): Promise<number> {
  const options = readFleetOptions(args)
  if (!options) {
    process.stdout.write(FLEET_HELP)
    return 0
  }
  const [unshare = '', ...namespace] = await wayToNamespace()
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-fleet-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const child = spawn(unshare, [...namespace, process.execPath, FLEET, folder, ...args], {
    stdio: ['pipe', 'inherit', 'inherit'],
    // The hub's own certificate authority is nobody's elsewhere.
    env: { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_NO_WARNINGS: '1' },
    // Ctrl-C reaches this process alone, which lets the fleet end in order.
    detached: true,
  })
  const ended = once(child, 'exit')
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.stdin.end())
  const [host = '', port = ''] = options.bind.split(':')
  const doors = [
    { name: 'pages', port: Number(port) },
    { name: 'media', port: Number(port) + 5 },
  ]
  for (const door of doors)
    stack.use(await forwardTcp({ host, port: door.port }, { path: join(folder, door.name) }))
  const [code] = await ended
  return typeof code === 'number' ? code : 1
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`)
  process.exitCode = 1
}
