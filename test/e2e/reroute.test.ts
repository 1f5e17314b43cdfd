import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { z } from 'zod'
import { type FieldSender, startFieldSender } from '../support/field-sender.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { steps, TICKS_PER_MS } from '../support/rtp-timeline.ts'
import { openSenderNode, type SenderNode } from '../support/sender-node.ts'
import { until } from '../support/until.ts'
import { WeriftViewer } from '../support/werift-viewer.ts'

/**
 * A field sender with three links, of which the hub's policy uses some. The hub moves the running stream to other links, by hand and
 * because a link died, and viewers watch on.
 */

let resources: AsyncDisposableStack
let hub: TestHub
let node: SenderNode

test.beforeEach(async () => {
  resources = new AsyncDisposableStack()
  hub = resources.use(await startHub([], { workers: 1 }))
  node = resources.use(await openSenderNode(hub))
})

test.afterEach.always(() => resources.disposeAsync())

const flow = z.object({
  flows: z.array(
    z.object({
      stream_id: z.string(),
      version: z.number(),
      endpoints: z.array(z.object({ link: z.string().optional(), port: z.number() })),
      overlay: z.object({ bindings: z.array(z.object({ link_id: z.string() })) }),
    }),
  ),
})

async function contractOf(streamId: string) {
  const { flows } = flow.parse((await hub.api('GET', '/v1/flows')).body)
  const contract = flows.find(({ stream_id }) => stream_id === streamId)!
  return { ...contract, bound: contract.overlay.bindings.map(({ link_id }) => link_id).sort() }
}

/** Waits until these links of the sender carry, and no others: a link that is closed has no statistics any more. */
async function carries(sender: FieldSender, bound: () => Promise<readonly number[]>): Promise<void> {
  await until(
    async () => {
      const before = [...sender.links]
      await setTimeout(2500)
      const carrying = sender.links.flatMap((link, index) =>
        link !== before[index] && link.sent > 20 && link.alive ? [index] : [],
      )
      return String(carrying) === String((await bound()).toSorted())
    },
    'the links of the contract carry, and no others',
    30_000,
  )
}

// Copies lose nothing. librist's shares leave out a packet when the number of links changes, now and then.
for (const [streamClass, used, lost] of [
  ['focus', 2, 0],
  ['director', 3, 6],
] as const)
  test.serial(`${streamClass}: a stream moves to other links, and its viewers watch on`, async (t) => {
    t.timeout(120_000)
    const streamId = `cam-${streamClass}`
    await using sender = await startFieldSender({
      hub_url: hub.url,
      token: node.token,
      stream_id: streamId,
      class: streamClass,
      card: { width: 640, height: 360, videoKbps: 800, gopSeconds: 20 },
    })
    await using viewer = await WeriftViewer.open(hub.url, streamId, { token: hub.adminToken })
    const video = await viewer.track('video')
    await until(() => video.packets.length > 200, 'pictures')
    const first = await contractOf(streamId)
    t.is(first.bound.length, used)
    t.is(first.endpoints.filter(({ link }) => link !== undefined).length, node.links.length)
    const bound = async () => {
      const { bound: links } = await contractOf(streamId)
      return links.map((link) => first.endpoints.findIndex((each) => each.link === link))
    }
    await carries(sender, bound)
    const from = video.packets.length

    // By hand, away from one link.
    const [left] = first.bound
    const body = { stream_id: streamId, reason: 'test', current_endpoints: [{ link: left }] }
    t.is((await hub.api('POST', '/v1/reroute', body)).status, 200)
    const second = await contractOf(streamId)
    t.false(second.bound.includes(left!))
    t.deepEqual(second.endpoints, first.endpoints)
    await carries(sender, bound)

    // By policy: another link delivers nothing any more.
    const [dying] = second.bound
    node.dead.add(dying!)
    await until(async () => !(await contractOf(streamId)).bound.includes(dying!), 'the hub decides', 30_000)
    const third = await contractOf(streamId)
    t.true(third.version > second.version)
    await carries(sender, bound)
    const seenUntil = video.packets.length + 60
    await until(() => video.packets.length > seenUntil, 'pictures go on')

    const seen = steps(video.packets.slice(from), TICKS_PER_MS.video)
    // A camera that is late skips pictures; what is lost on the way leaves a hole in the numbers.
    const odd = seen.filter(({ sequence }) => sequence !== 1)
    t.true(odd.length <= lost, JSON.stringify(odd.map(({ sequence, mediaMs }) => [sequence, mediaMs])))
    // One picture each: the flow is the same, and no keyframe is waited for.
    t.true(odd.every(({ sequence }) => sequence === 2))
    const longest = Math.max(...seen.map(({ arrivalMs }) => arrivalMs))
    t.log(
      `${first.bound} -> ${second.bound} -> ${third.bound}: longest pause ${longest.toFixed(0)} ms, ${odd.length} pictures lost`,
    )
    t.is(viewer.tracks.length, 2)
  })
