import test from 'ava'
import { Chromium } from '../support/chromium.ts'
import { letEverybodyWatch } from '../support/everybody-watches.ts'
import { AgentMachine, type ConfigInput } from '../support/field-agent.ts'
import { startHub } from '../support/hub.ts'
import { startRtspCamera } from '../support/rtsp-camera.ts'
import { until } from '../support/until.ts'
import { cameraEnvironment, plugCamera, removeCameras } from '../support/v4l2-camera.ts'
import { untilState } from '../support/watch-page.ts'

/** Sources of a field sender, from the camera to a viewer's page. */

test.after.always(removeCameras)

type Source = NonNullable<ConfigInput['broadcasts']>[number]['source']

const SIZE = { width: 640, height: 360 }
const H264 =
  'videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=30/1 ! x264enc tune=zerolatency bitrate=800 key-int-max=30 speed-preset=ultrafast ! video/x-h264,profile=high ! rtph264pay name=pay0 pt=96 audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay1 pt=8'

test('a camera is pulled and put in again, another takes its place, and the viewer sees it all', async (t) => {
  t.timeout(180_000)
  const env = await cameraEnvironment()
  using camera = await plugCamera('van', ['mjpeg'])
  await using hub = await startHub([], { workers: 1, args: ['--tls', 'on'] })
  await using machine = await AgentMachine.enrol(hub, 'van-1', { env })
  await letEverybodyWatch(hub)
  const configOf = (source: Source): ConfigInput => ({
    broadcasts: [{ stream_id: 'cam1', class: 'focus', renditions: [SIZE], source }],
  })
  await machine.start(configOf({ kind: 'v4l2', device: camera.device }))
  const is = async (state: string) => {
    const [status] = (await machine.status()).broadcasts
    return status?.state === state ? status : null
  }
  await until(() => is('live'), 'the camera is live', 30_000)
  await using chromium = await Chromium.launch({ flags: ['--ignore-certificate-errors'] })
  await using watched = await chromium.open(`${hub.url}/watch/cam1`)
  const { page } = watched
  const pictures = () =>
    page.evaluate(() => document.querySelector('video')?.getVideoPlaybackQuality().totalVideoFrames ?? 0)
  const moves = async (what: string) => {
    const from = await pictures()
    await until(async () => (await pictures()) > from + 30, what, 30_000)
  }
  await untilState(page, 'live')
  await moves('pictures of the camera')

  camera.become('gone')
  camera.plug(false)
  const pulled = await until(() => is('no_input'), 'the agent misses the camera')
  t.regex(pulled.reason!, /there is no/)
  // The hub notices by itself, and shows a slate or the last picture.
  camera.become('ok')
  camera.plug(true)
  const back = await until(() => is('live'), 'the camera is back')
  await moves('pictures after the plug')
  t.is(back.encoder_restarts, 0)
  t.is(back.contract_id, pulled.contract_id)

  await using network = await startRtspCamera({ launch: H264 })
  t.like(await machine.apply(configOf({ kind: 'rtsp', url: network.url })), { state: 'done' })
  await until(async () => (await is('live'))?.encoder === 'pass-through', 'the network camera passes', 30_000)
  await untilState(page, 'live')
  await moves('pictures of the network camera')
})
