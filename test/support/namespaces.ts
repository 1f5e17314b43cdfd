import { execFile, type ForkOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readlink } from 'node:fs/promises'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { until } from './until.ts'

const run = promisify(execFile)

/** Addresses of the two ends of the cable. */
const HERE = '10.77.0.2'
const THERE = '10.77.0.1'

const ROOT = resolve(import.meta.dirname, '../..')
const AVA = resolve(ROOT, 'node_modules/ava/entrypoints/cli.js')

/**
 * A network and process ids of its own: everything inside ends with the first process, however that ends. Root needs no
 * other user for this; everybody else does.
 */
const OWN = ['--net', '--pid', '--mount-proc', '--fork', '--kill-child']
const WAYS = [OWN, ['--user', '--map-root-user', ...OWN]]
/** The file ends itself long before this, and says why. */
const NAMESPACED_MS = 240_000

/** Where the system's programs are: an npm package brings another program called nft. */
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Words before a program and its arguments that run it in another network namespace. */
export type Enter = readonly [program: string, ...args: string[]]

/**
 * Runs a file of `test/namespaced` in a network namespace of its own, which ends with the file, and returns its output.
 * @param more further environment of its process
 * @throws when its tests fail, or when no namespace can be made here
 */
export async function runNamespaced(
  file: string,
  more: Readonly<Record<string, string>> = {},
): Promise<string> {
  const [unshare = '', ...namespace] = await wayToNamespace()
  const config = resolve(ROOT, 'ava.namespaces.config.js')
  const args = [...namespace, process.execPath, AVA, '--config', config, `test/namespaced/${file}`]
  // The hub's own certificate authority is nobody's elsewhere.
  const env = { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_NO_WARNINGS: '1', ...more }
  const child = spawn(unshare, args, {
    ...({ cwd: ROOT, env, timeout: NAMESPACED_MS, killSignal: 'SIGKILL' } as const),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const output of [child.stdout, child.stderr])
    output.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
  const [code, signal] = await once(child, 'close')
  if (code !== 0) throw new Error(`${file} ended with ${code ?? signal}:\n${said}`)
  return said
}

/** The words that start a program in a network namespace of its own. @throws when none can be made here */
export async function wayToNamespace(): Promise<readonly string[]> {
  const reasons: string[] = []
  for (const way of WAYS)
    try {
      await run('unshare', [...way, 'ip', 'link', 'set', 'lo', 'up'])
      return ['unshare', ...way]
    } catch (error) {
      reasons.push(error instanceof Error ? error.message.trim() : String(error))
    }
  throw new Error(
    `no network namespace can be made here, which this test needs, as Firefox uses no loopback address. Run it as root with CAP_SYS_ADMIN, or allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0), and have util-linux and iproute2 installed.\n${reasons.join('\n')}`,
  )
}

/** How to start Node there, for `fork`. */
export function nodeIn(enter: Enter | undefined): Pick<ForkOptions, 'execPath' | 'execArgv'> {
  if (enter === undefined) return {}
  const [execPath, ...execArgv] = enter
  return { execPath, execArgv: [...execArgv, process.execPath] }
}

/** A network namespace. It ends with its scope. */
export interface Namespace extends AsyncDisposable {
  /** A process in it, which keeps it alive. */
  readonly pid: number
  readonly enter: Enter
  /** Runs a program there. @throws when it fails */
  run(program: string, ...args: string[]): Promise<void>
}

/** Makes an empty namespace. */
export async function openNamespace(): Promise<Namespace> {
  await using stack = new AsyncDisposableStack()
  // A namespace lives as long as a process in it does.
  const keeper = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: ['ignore', 'ignore', 'inherit'] })
  stack.defer(async () => {
    keeper.kill('SIGKILL')
    if (keeper.exitCode === null && keeper.signalCode === null) await once(keeper, 'exit')
  })
  await once(keeper, 'spawn')
  const pid = keeper.pid!
  const own = await readlink('/proc/self/ns/net')
  await until(async () => (await readlink(`/proc/${pid}/ns/net`)) !== own, 'the namespace is made')
  const enter = ['nsenter', '--net', '--target', String(pid), '--'] as const
  const env = { ...process.env, PATH: SYSTEM_PATH }
  const there = async (...words: string[]) =>
    void (await run(enter[0], [...enter.slice(1), ...words], { env }))
  await there('ip', 'link', 'set', 'lo', 'up')
  const owned = stack.move()
  return { pid, enter, run: there, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** One end of a cable between two namespaces. */
export interface CableEnd {
  readonly namespace: Namespace
  /** Name of the interface. */
  readonly device: string
}

/** Joins two namespaces by a cable without addresses. */
export async function joinByCable(one: CableEnd, other: CableEnd): Promise<void> {
  const peer = ['peer', 'name', other.device, 'netns', String(other.namespace.pid)]
  await one.namespace.run('ip', 'link', 'add', one.device, 'type', 'veth', ...peer)
  for (const { namespace, device } of [one, other]) await namespace.run('ip', 'link', 'set', device, 'up')
}

/** Another network namespace, joined by a cable to the namespace of this process. It ends with its scope. */
export interface Neighbour extends Namespace {
  /** Of this process's end. */
  readonly here: string
  /** Of the neighbour's end, where its servers listen. */
  readonly there: string
}

/**
 * Makes a namespace beside this process's own, which must be one that a test made (`runNamespaced`): the machine's own
 * network is left alone.
 */
export async function openNeighbour(): Promise<Neighbour> {
  await using stack = new AsyncDisposableStack()
  const neighbour = stack.use(await openNamespace())
  const { pid, enter, run: there } = neighbour
  await run('ip', ['link', 'set', 'lo', 'up'])
  await run('ip', ['link', 'add', 'cable', 'type', 'veth', 'peer', 'name', 'cable', 'netns', String(pid)])
  // The kernel takes its time to end a namespace with its end of the cable.
  stack.defer(() =>
    run('ip', ['link', 'delete', 'cable']).then(
      () => {},
      () => {},
    ),
  )
  await run('ip', ['address', 'add', `${HERE}/24`, 'dev', 'cable'])
  await run('ip', ['link', 'set', 'cable', 'up'])
  await there('ip', 'address', 'add', `${THERE}/24`, 'dev', 'cable')
  await there('ip', 'link', 'set', 'cable', 'up')
  const owned = stack.move()
  return {
    pid,
    enter,
    run: there,
    here: HERE,
    there: THERE,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
