import { connect } from '../signaling/client/index.ts'

const connection = connect({ hubUrl: location.origin, token: () => sessionStorage.getItem('token') })

// Publish the camera and the microphone as "studio-1".
const media = await navigator.mediaDevices.getUserMedia({ video: true, audio: true })
for (const track of media.getTracks()) await connection.publishTrack('studio-1', track)

// Watch it, and another one, over one connection; the large one is served first.
for (const [streamId, focused] of [['studio-1', true] as const, ['cam-1', false] as const]) {
  const video = Object.assign(document.createElement('video'), { muted: true, id: streamId })
  document.body.append(video)
  const subscription = connection.subscribeToTrack(streamId, { video, view: { focused } })
  subscription.on('state', (state) => {
    video.title = `${streamId} is ${state.name}`
  })
  subscription.on('statistics', ({ videoKbps, glassToGlassMs }) => {
    video.dataset['seen'] = `${Math.round(videoKbps)} kb/s, ${Math.round(glassToGlassMs ?? 0)} ms old`
  })
}
