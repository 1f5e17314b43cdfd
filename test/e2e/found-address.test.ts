import test from 'ava'
import { z } from 'zod'
import { stunServer } from '../server/media-addresses/stun-server.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { OBS_OFFER } from '../support/offers.ts'
import { until } from '../support/until.ts'

const granted = z.object({ endpoints: z.array(z.object({ address: z.string() })).min(1) })

/** The addresses that a field sender is told, with a contract for a stream of its own. */
async function toldToSenders(hub: TestHub, streamId: string): Promise<Set<string>> {
  const { body } = await hub.api('POST', '/v1/publish', { stream_id: streamId, class: 'director' })
  return new Set(granted.parse(body).endpoints.map(({ address }) => address))
}

/** The addresses that a WHIP client is told. */
async function toldToBrowsers(hub: TestHub, streamId: string): Promise<Set<string>> {
  const token = await hub.issueToken({ role: 'publisher' })
  const answer = await fetch(`${hub.url}/whip/${streamId}`, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp', authorization: `Bearer ${token}` },
    body: OBS_OFFER,
  })
  const sdp = await answer.text()
  return new Set([...sdp.matchAll(/^a=candidate:\S+ \d \S+ \d+ (\S+)/gm)].map(([, address = '']) => address))
}

test('a hub behind a NAT tells its public address, also where it learns it only later', async (t) => {
  await using server = await stunServer(null)
  const args = ['--stun-server', `127.0.0.1:${server.port}`]
  await using hub = await startHub([], { workers: 1, args })
  t.true(hub.log.some(({ msg }) => String(msg).startsWith('the media addresses could not be found')))
  t.deepEqual(await toldToSenders(hub, 'cam-1'), new Set(['127.0.0.1']))
  const alarm = async () =>
    JSON.stringify((await hub.api('GET', '/v1/alarms')).body).includes('media_address_unknown')
  await until(alarm, 'the alarm')
  t.is(await hub.metric('lanecast_alarms{kind="media_address_unknown"}'), 1)
  server.seen = '203.0.113.7'
  await until(async () => !(await alarm()), 'the alarm is over', 30_000)
  t.deepEqual(await toldToSenders(hub, 'cam-2'), new Set(['203.0.113.7']))
  t.deepEqual(await toldToBrowsers(hub, 'cam-3'), new Set(['203.0.113.7']))
})
