import { type ChildProcess, execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import test from 'ava'
import type { InterfaceFact } from '../../agent/hardware/network/interfaces.ts'
import type { Endpoint } from '../../common/wire/flow-contract.ts'
import { type Captured, capture } from '../support/capture.ts'
import { detourContract } from '../support/detour-bench.ts'
import { joinByCable, type Namespace, nodeIn, openNamespace } from '../support/namespaces.ts'
import { type ListeningReceiver, listen } from '../support/rist-bench.ts'
import { until } from '../support/until.ts'

/**
 * A device with two modems that are alike: both give it the same address and have the same gateway. This process is the hub.
 * test/agent/routes/link-routes.test.ts runs this.
 */

const run = promisify(execFile)
const MAIN = resolve(import.meta.dirname, '../support/routed-sender-main.ts')
const HUB = '10.50.0.1'
const MODEM = '192.168.8.1'
const DEVICE = '192.168.8.100'
const LINKS = ['modem-a', 'modem-b'] as const

let device: Namespace
let receiver: ListeningReceiver
let child: ChildProcess
const carriers: Namespace[] = []
const stack = new AsyncDisposableStack()
/** What arrives from each carrier: the hub's ends of their cables. */
const wires: { readonly packets: readonly Captured[] }[] = []

test.before(async () => {
  await run('ip', ['link', 'set', 'lo', 'up'])
  await run('ip', ['address', 'add', `${HUB}/32`, 'dev', 'lo'])
  device = stack.use(await openNamespace())
  for (const index of LINKS.keys()) {
    const carrier = stack.use(await openNamespace())
    carriers.push(carrier)
    await cableToHub(carrier, index)
    await plugIn(index, `usb${index}`)
    wires.push(stack.use(await capture(`hub${index}`, `dst host ${HUB}`)))
  }
  receiver = stack.use(await listen(2, { address: HUB, buffer: { minMs: 200, maxMs: 200 } }))
  child = await startSender()
  tellInterfaces('usb0', 'usb1')
  child.send({ contract: detourContract([], { class: 'focus', detours: [], endpoints: endpoints() }) })
})
test.after.always(() => stack.disposeAsync())

/** A carrier's way to the hub, with one address for all of its customers. */
async function cableToHub(carrier: Namespace, index: number): Promise<void> {
  const own = `hub${index}`
  const peer = ['peer', 'name', 'core', 'netns', String(carrier.pid)]
  await run('ip', ['link', 'add', own, 'type', 'veth', ...peer])
  await run('ip', ['address', 'add', `10.60.${index}.1/24`, 'dev', own])
  await run('ip', ['link', 'set', own, 'up'])
  await carrier.run('ip', 'address', 'add', `10.60.${index}.2/24`, 'dev', 'core')
  await carrier.run('ip', 'link', 'set', 'core', 'up')
  await carrier.run('ip', 'route', 'add', 'default', 'via', `10.60.${index}.1`)
  await carrier.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward')
  const nat = 'chain out { type nat hook postrouting priority 100; oifname "core" masquerade; };'
  await carrier.run('nft', `table ip carrier { ${nat} }`)
}

/** The device gets a modem, as an interface of this name, with address, gateway and a default route, as DHCP does it. */
async function plugIn(index: number, name: string): Promise<void> {
  await joinByCable({ namespace: carriers[index]!, device: 'air' }, { namespace: device, device: name })
  await carriers[index]!.run('ip', 'address', 'add', `${MODEM}/24`, 'dev', 'air')
  await configure(index, name)
}

async function configure(index: number, name: string): Promise<void> {
  const metric = String(100 + index)
  await device.run('ip', 'address', 'add', `${DEVICE}/24`, 'dev', name, 'metric', metric)
  await device.run('ip', 'route', 'add', 'default', 'via', MODEM, 'dev', name, 'metric', metric)
  // The strictest that systems come with.
  await device.run('sh', '-c', `echo 1 > /proc/sys/net/ipv4/conf/${name}/rp_filter`)
}

function endpoints(): Endpoint[] {
  return LINKS.map((link, index) => ({ node_id: 'hub', address: HUB, port: receiver.ports[index]!, link }))
}

async function startSender(): Promise<ChildProcess> {
  const sender = fork(MAIN, [], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [],
    ...nodeIn(device.enter),
  })
  stack.defer(() => void sender.kill('SIGKILL'))
  await once(sender, 'message')
  return sender
}

/** As a device reports them. null: the modem is away. */
function tellInterfaces(...names: readonly (string | null)[]): void {
  const interfaces = names.flatMap((name, index): InterfaceFact[] =>
    name === null
      ? []
      : [
          {
            name,
            kind: 'cellular',
            carrier: true,
            mac: null,
            addresses: [DEVICE],
            gateway: MODEM,
            mtu: 1500,
            link_id: LINKS[index]!,
            path: null,
            modem: null,
          },
        ],
  )
  child.send({ interfaces })
}

/** Counts what comes from each carrier to each port from now on. */
function watchWires() {
  const from = wires.map(({ packets }) => packets.length)
  const count = (wire: number, link: number) =>
    wires[wire]!.packets.slice(from[wire]!).filter(
      ({ port, bytes }) => port === receiver.ports[link] && bytes > 1000,
    ).length
  return {
    count,
    /** Resolves when media has come over this link, by its own carrier. */
    carries: (link: number) => until(() => count(link, link) > 100, `${LINKS[link]} carries`, 15_000),
    /** Media that took another link's carrier. */
    get strayed() {
      return count(0, 1) + count(1, 0)
    },
  }
}

async function own(): Promise<string> {
  const [program, ...words] = device.enter
  const ask = async (...args: string[]) => (await run(program, [...words, 'ip', ...args])).stdout
  const rules = await ask('-details', 'rule', 'show')
  const routes = await ask('route', 'show', 'table', 'all', 'proto', '78')
  return (
    rules
      .split('\n')
      .filter((line) => line.includes('78'))
      .join('\n') + routes
  )
}

test.serial('each link takes its own modem, though both look the same', async (t) => {
  const seen = watchWires()
  await Promise.all([seen.carries(0), seen.carries(1)])
  t.is(seen.strayed, 0)
})

test.serial('a link whose modem is gone takes no other, and comes back under another name', async (t) => {
  await device.run('ip', 'link', 'delete', 'usb1')
  tellInterfaces('usb0', null)
  await until(async () => (await own()).includes('unreachable'), 'the way is closed')
  const away = watchWires()
  await away.carries(0)
  t.is(away.strayed, 0)
  await plugIn(1, 'usb7')
  tellInterfaces('usb0', 'usb7')
  const at = performance.now()
  const back = watchWires()
  await back.carries(1)
  t.log(`carries again after ${Math.round(performance.now() - at)} ms`)
  t.is(back.strayed, 0)
})

test.serial('routes that vanish with a carrier, and rules that somebody flushes, are put back', async (t) => {
  await device.run('ip', 'link', 'set', 'usb0', 'down')
  await device.run('ip', 'address', 'flush', 'dev', 'usb0')
  await device.run('ip', 'link', 'set', 'usb0', 'up')
  await configure(0, 'usb0')
  await device.run('ip', 'rule', 'flush')
  await device.run('ip', 'rule', 'add', 'pref', '32766', 'lookup', 'main')
  await until(async () => (await own()).split('dport').length === 3, 'both rules are back')
  const seen = watchWires()
  await Promise.all([seen.carries(0), seen.carries(1)])
  t.is(seen.strayed, 0)
})

/** The interface by which the device reaches the hub by TCP. */
async function tcpWay(): Promise<string | undefined> {
  const [program, ...words] = device.enter
  const { stdout } = await run(program, [...words, 'ip', 'route', 'get', HUB, 'ipproto', 'tcp'])
  return /dev (\S+)/.exec(stdout)?.[1]
}

test.serial('the hub is asked by a link that carries, and by another when that one is silent', async (t) => {
  t.is(await tcpWay(), 'usb0')
  const says = setInterval(() => child.send({ carrying: ['modem-b'] }), 200)
  await until(async () => (await tcpWay()) === 'usb7', 'TCP takes the second modem')
  clearInterval(says)
  child.send({ carrying: ['modem-a', 'modem-b'] })
  const others = setInterval(() => child.send({ carrying: ['modem-a'] }), 200)
  await delay(1000)
  t.is(await tcpWay(), 'usb7')
  await until(async () => (await tcpWay()) === 'usb0', 'TCP takes the first modem again')
  clearInterval(others)
})

test.serial(
  'of two agents in one network one sets the routes, and the other leaves them alone',
  async (t) => {
    const before = await own()
    const other = await startSender()
    other.send({ contract: detourContract([], { contract_id: 'c-3', detours: [], endpoints: endpoints() }) })
    other.send({ end: true })
    await once(other, 'exit')
    t.is(await own(), before)
  },
)

test.serial('a killed process leaves its routes to the next, which leaves nothing at its end', async (t) => {
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.true((await own()).includes('dport'))
  child = await startSender()
  t.is(await own(), '')
  tellInterfaces('usb0', 'usb7')
  child.send({
    contract: detourContract([], {
      class: 'focus',
      contract_id: 'c-2',
      detours: [],
      endpoints: endpoints(),
    }),
  })
  const seen = watchWires()
  await Promise.all([seen.carries(0), seen.carries(1)])
  t.is(seen.strayed, 0)
  child.send({ end: true })
  await once(child, 'exit')
  t.is(await own(), '')
})
