import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import test from 'ava'
import {
  hubToNode,
  hubToNodeNotifications,
  nodeNotifications,
  nodeRequests,
} from '../../common/wire/node-protocol.ts'
import {
  hubToPublisher,
  publisherNotifications,
  publisherRequests,
} from '../../common/wire/publisher-protocol.ts'
import {
  hubNotifications,
  hubRequests,
  viewerNotifications,
  viewerRequests,
} from '../../common/wire/viewer-protocol.ts'
import { DEFAULT_ACL } from '../../policy/default-acl.ts'
import { DemoHub } from '../../tools/demo/demo-hub.ts'
import { freeUdpRange } from '../support/udp-ports.ts'
import { blocksOf, checkCalls, isDoor, runBlocks } from './run-blocks.ts'

/** docs/protocol.md works as printed: this test runs its lines against a hub like the demo's. */

const DOCUMENT = resolve(import.meta.dirname, '../../docs/protocol.md')
/** The demo's streams; here nobody sends them. */
const STREAMS = ['studio', 'field']
/** A hub as the demo starts it: default tenant, one policy, two streams that somebody publishes. */
async function demoHub(folder: string): Promise<DemoHub> {
  const rist = await freeUdpRange(40)
  const rtp = await freeUdpRange(20)
  Object.assign(process.env, {
    RTC_PORT: '0',
    MEDIA_WORKERS: '1',
    RIST_PORTS: `${rist}-${rist + 39}`,
    RTP_PORTS: `${rtp}-${rtp + 19}`,
    METRICS_ADDR: '127.0.0.1:0',
  })
  const hub = await DemoHub.start({
    bind: '127.0.0.1:0',
    dataFolder: join(folder, 'state'),
    logLevel: 'error',
  })
  const open = { effect: 'allow', subjects: ['anonymous'], actions: ['subscribe', 'stream.read'] } as const
  await hub.putPolicy({
    acl: [...DEFAULT_ACL, { ...open, actions: [...open.actions], subjects: ['anonymous'] }],
  })
  for (const stream_id of STREAMS) {
    const answer = await fetch(`${hub.url}/v1/publish`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await hub.issuePublisherKey(stream_id)}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ stream_id }),
    })
    if (!answer.ok) throw new Error(`${stream_id} was not granted: ${await answer.text()}`)
  }
  return hub
}

test('every line of the protocol works as printed, and every call has one', async (t) => {
  t.timeout(60_000)
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-protocol-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const text = await readFile(DOCUMENT, 'utf8')
  const blocks = blocksOf(text)
  t.true(blocks.length > 20)
  await using hub = await demoHub(folder)
  const calls = await runBlocks(blocks, hub.url, folder, (script) =>
    script
      .replace(/^HUB=.*$/m, `HUB=${hub.url}`)
      .replace(/^TOKEN=.*$/m, `TOKEN=$(cat ${join(folder, 'state/admin-token')})`),
  )

  const { shown, operations } = await checkCalls(t, hub.url, blocks, calls)
  // WHIP and WHEP have a page of their own, which has a test of its own.
  const missing = operations.filter((operation) => !shown.has(operation) && !isDoor(operation))
  // Nobody sends pictures here that could be taken, and a node proves itself by TLS, which the demo has not.
  t.deepEqual(missing, [
    'post /v1/streams/{stream_id}/take',
    'post /v1/programs/{program_id}/take',
    'post /v1/node/renew',
    'get /v1/node/release',
    'get /v1/node/releases/{release_version}/files/{architecture}',
  ])
})

test('the table of the WebSocket names what there is', async (t) => {
  const text = await readFile(DOCUMENT, 'utf8')
  const rows = Array.from(
    text.matchAll(/^\| (hub|viewer) \| (request|notification) \| `([\w-]+)` \|/gm),
    ([, from, kind, method]) => `${from} ${kind} ${method}`,
  )
  const there = [
    ...Object.keys(viewerRequests).map((method) => `viewer request ${method}`),
    ...Object.keys(viewerNotifications).map((method) => `viewer notification ${method}`),
    ...Object.keys(hubRequests).map((method) => `hub request ${method}`),
    ...Object.keys(hubNotifications).map((method) => `hub notification ${method}`),
  ]
  t.deepEqual(rows.sort(), there.sort())
  const publishers = Array.from(
    text.matchAll(/^\| (publisher|hub, to it) \| (request|notification) \| `([\w-]+)` \|/gm),
    ([, from, kind, method]) => `${from} ${kind} ${method}`,
  )
  const saidThere = [
    ...Object.keys(publisherRequests).map((method) => `publisher request ${method}`),
    ...Object.keys(publisherNotifications).map((method) => `publisher notification ${method}`),
    ...Object.keys(hubToPublisher).map((method) => `hub, to it notification ${method}`),
  ]
  t.deepEqual(publishers.sort(), saidThere.sort())
  const nodes = Array.from(
    text.matchAll(/^\| (node|hub, to the node) \| (request|notification) \| `([\w-]+)` \|/gm),
    ([, from, kind, method]) => `${from} ${kind} ${method}`,
  )
  const ofNodes = [
    ...Object.keys(nodeRequests).map((method) => `node request ${method}`),
    ...Object.keys(nodeNotifications).map((method) => `node notification ${method}`),
    ...Object.keys(hubToNode).map((method) => `hub, to the node request ${method}`),
    ...Object.keys(hubToNodeNotifications).map((method) => `hub, to the node notification ${method}`),
  ]
  t.deepEqual(nodes.sort(), ofNodes.sort())
})
