import type { Page } from 'playwright-core'
import { Chromium } from './chromium.ts'
import { type ClipSender, startClipSender } from './clip-sender.ts'
import { type OpenStream, startHub, type TestHub, type TestHubOptions, type TestStream } from './hub.ts'
import { generateMedia } from './media-generator.ts'
import { type Neighbour, openNeighbour } from './namespaces.ts'
import { countPeerConnections } from './peer-connections.ts'
import { watchShown } from './shown-pictures.ts'
import { TwoNetworks } from './two-networks.ts'
import { until } from './until.ts'
import { untilState, useToken } from './watch-page.ts'

export interface RoamingLab extends AsyncDisposable {
  readonly neighbour: Neighbour
  readonly hub: TestHub
  readonly stream: OpenStream
  /** Sum of the Prometheus series that begin so. */
  metric(series: string): Promise<number>
  /** A machine with two networks and a browser, which has a fake camera. */
  openMachine(): Promise<Machine>
  /** Two networks without a browser. */
  openNetworks(): Promise<TwoNetworks>
  /** The clip that the stream plays. */
  readonly clip: string
}

export interface Machine extends AsyncDisposable {
  readonly networks: TwoNetworks
  readonly chromium: Chromium
  /** Watches a stream; resolves when its pictures are noted. */
  watch(streamId: string, token?: string): Promise<Page>
  /** Opens any page of the hub, with its peer connections counted. */
  open(path: string): Promise<Page>
}

/**
 * A hub with a playing stream in a network of its own. Only for processes in a namespace that a test made.
 * @param others streams that nobody sends yet
 */
export async function openRoamingLab(
  {
    port = 0,
    ...options
  }: TestHubOptions & { /** Of the hub's HTTPS; any by default. */ readonly port?: number } = {},
  others: readonly TestStream[] = [],
): Promise<RoamingLab> {
  await using stack = new AsyncDisposableStack()
  const neighbour = stack.use(await openNeighbour())
  const { there, enter } = neighbour
  const hub = stack.use(
    await startHub([{ streamId: 'field', links: 1 }, ...others], {
      workers: 1,
      bind: `${there}:${port}`,
      enter,
      ...options,
      args: ['--rtc-ip', there, '--rist-ip', there, ...(options.args ?? [])],
    }),
  )
  const stream = hub.streams.get('field')!
  const path = await generateMedia('baseline', { seconds: 20 })
  const sender: ClipSender = stack.use(
    await startClipSender(stream, { path, repeat: true, hosts: [there] }, enter),
  )
  void sender
  const owned = stack.move()
  let machines = 0
  return {
    neighbour,
    hub,
    stream,
    async metric(series) {
      const headers = { authorization: `Bearer ${hub.adminToken}` }
      const text = await (await fetch(`${hub.url}/metrics`, { headers })).text()
      const lines = text.split('\n').filter((line) => line.startsWith(series))
      return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
    },
    clip: path,
    async openNetworks() {
      machines += 1
      return owned.use(await TwoNetworks.open(neighbour, machines))
    },
    async openMachine() {
      const machine = new AsyncDisposableStack()
      owned.use(machine)
      machines += 1
      const networks = machine.use(await TwoNetworks.open(neighbour, machines))
      const chromium = machine.use(
        await Chromium.launch({
          publish: true,
          flags: ['--ignore-certificate-errors'],
          enter: networks.namespace.enter,
        }),
      )
      const open = async (place: string): Promise<Page> => {
        const { page } = await chromium.open('about:blank')
        await countPeerConnections(page)
        const { href } = new URL(place, hub.url)
        // Chromium hears late of the networks that its machine got, and ends what it loads then.
        await until(
          () =>
            page.goto(href).then(
              () => true,
              () => false,
            ),
          `${place} is loaded`,
        )
        return page
      }
      return {
        networks,
        chromium,
        open,
        async watch(streamId, token) {
          const page = await open(`/watch/${streamId}`)
          if (token !== undefined) await useToken(page, token)
          await untilState(page, 'live')
          await watchShown(page)
          return page
        },
        [Symbol.asyncDispose]: () => machine.disposeAsync(),
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
