import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { startClipSender } from '../support/clip-sender.ts'
import { startHub } from '../support/hub.ts'
import { generateMedia } from '../support/media-generator.ts'
import { PLAYER_OFFER } from '../support/offers.ts'
import { descendants, programOf } from '../support/processes.ts'
import { until } from '../support/until.ts'
import { WeriftViewer } from '../support/werift-viewer.ts'

const KILLS = 6
const AT_ONCE = 8

test('whoever asks while a media worker dies is let in, or told when to ask again', async (t) => {
  t.timeout(90_000)
  await using hub = await startHub([{ streamId: 'cam-1' }], { workers: 1 })
  const path = await generateMedia('baseline', { seconds: 60 })
  await using _sender = await startClipSender(hub.streams.get('cam-1')!, { path, repeat: true })
  await using viewer = await WeriftViewer.open(hub.url, 'cam-1')
  await viewer.track('video')
  const answers: Response[] = []
  let asking = true
  const ask = async () => {
    while (asking) {
      const answer = await fetch(`${hub.url}/whep/cam-1`, {
        method: 'POST',
        headers: { 'content-type': 'application/sdp' },
        body: PLAYER_OFFER,
      })
      answers.push(answer)
      if (answer.status === 201) {
        await answer.text()
        await fetch(new URL(answer.headers.get('location')!, hub.url), { method: 'DELETE' })
      } else await delay(20)
    }
  }
  const clients = Array.from({ length: AT_ONCE }, ask)
  const workerPid = () => descendants(hub.pid).find((pid) => programOf(pid).includes('mediasoup-worker'))
  for (let kills = 0; kills < KILLS; kills++) {
    const before = answers.filter(({ status }) => status === 201).length
    await until(
      () => answers.filter(({ status }) => status === 201).length > before + 5,
      'somebody is let in',
      20_000,
    )
    process.kill(await until(workerPid, 'a worker'), 'SIGKILL')
  }
  asking = false
  await Promise.all(clients)
  const counts = Map.groupBy(answers, ({ status }) => status)
  t.log(Object.fromEntries(Array.from(counts, ([status, each]) => [status, each.length])))
  for (const [status, each] of counts) {
    if (status === 201 || status === 409) continue
    t.is(status, 503, await each[0]!.text())
    for (const { headers } of each) t.truthy(headers.get('retry-after'))
  }
})
