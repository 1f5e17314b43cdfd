import type { Page } from 'playwright-core'

/** What a page's `<video>` played, as the stream that it was given says. */
export interface PlayedSound {
  /** Sound that was looked at. */
  readonly seconds: number
  /** How often a track took the place of another one. */
  readonly exchanges: number
  /** When a track last took the place of another one, Unix ms; 0 for never. */
  readonly exchangedAt: number
  /** Most tracks that played together after any task of the page. */
  readonly mostTracks: number
  readonly longestSilenceMs: number
  /**
   * Effective values, 0 to 1: of the loudest two blocks of 21 ms in a row, and of the middle block. A task that adds a track
   * and removes another may be held up in between for some ms, and the sound goes on meanwhile.
   */
  readonly loudest: number
  readonly usual: number
}

/**
 * Listens from the next page on to all tracks of sound that are in a stream of the page, together, in blocks of the
 * sound's own time. Tracks that came but are in no stream yet are not heard.
 */
export async function watchSound(page: Page): Promise<void> {
  await page.addInitScript(listen)
}

/** What was played since the last call. */
export async function takeSound(page: Page): Promise<PlayedSound> {
  return page.evaluate(() => (globalThis as unknown as { takeSound: () => PlayedSound }).takeSound())
}

/** In the page. */
function listen(): void {
  const BLOCK = 1024
  const context = new AudioContext({ sampleRate: 48_000 })
  const heard = context.createGain()
  const meter = context.createScriptProcessor(BLOCK, 1, 1)
  heard.connect(meter).connect(context.destination)
  let levels: number[] = []
  let exchanges = 0
  let exchangedAt = 0
  let mostTracks = 0
  meter.onaudioprocess = ({ inputBuffer }) => {
    const samples = inputBuffer.getChannelData(0)
    levels.push(Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length))
  }
  // Each is on the graph before it plays: a source that is made then is silent for its first moment.
  const sources = new Map<string, MediaStreamAudioSourceNode>()
  const sourceOf = (track: MediaStreamTrack) => {
    const known = sources.get(track.id)
    if (known) return known
    const own = native()
    Reflect.apply(addTrack, own, [track])
    const source = context.createMediaStreamSource(own)
    // Pulled all the time.
    const nowhere = context.createGain()
    nowhere.gain.value = 0
    source.connect(nowhere).connect(context.destination)
    sources.set(track.id, source)
    return source
  }
  const native = () => new MediaStream()
  const { addTrack, removeTrack } = MediaStream.prototype
  const playing = new Set<MediaStreamTrack>()
  MediaStream.prototype.addTrack = function (track) {
    Reflect.apply(addTrack, this, [track])
    if (track.kind !== 'audio') return
    playing.add(track)
    sourceOf(track).connect(heard)
    queueMicrotask(() => {
      const live = [...playing].filter(({ readyState }) => readyState === 'live').length
      mostTracks = Math.max(mostTracks, live)
    })
  }
  MediaStream.prototype.removeTrack = function (track) {
    Reflect.apply(removeTrack, this, [track])
    if (!playing.delete(track)) return
    sourceOf(track).disconnect(heard)
    if (playing.size === 0) return
    exchanges++
    exchangedAt = performance.timeOrigin + performance.now()
  }
  const setRemote = RTCPeerConnection.prototype.setRemoteDescription
  const known = new WeakSet<RTCPeerConnection>()
  RTCPeerConnection.prototype.setRemoteDescription = function (this: RTCPeerConnection, description) {
    if (!known.has(this)) {
      known.add(this)
      this.addEventListener('track', ({ track }) => {
        if (track.kind === 'audio') sourceOf(track)
      })
    }
    return Reflect.apply(setRemote, this, [description])
  }
  const takeSound = () => {
    const blocks = levels
    let [silent, longest] = [0, 0]
    for (const level of blocks) {
      silent = level < 0.001 ? silent + 1 : 0
      longest = Math.max(longest, silent)
    }
    const sorted = blocks.toSorted((a, b) => a - b)
    const pairs = blocks.slice(1).map((level, index) => Math.hypot(level, blocks[index]!) / Math.SQRT2)
    const taken = {
      seconds: (blocks.length * BLOCK) / 48_000,
      exchanges,
      exchangedAt,
      mostTracks,
      longestSilenceMs: (longest * BLOCK) / 48,
      loudest: pairs.reduce((most, level) => Math.max(most, level), 0),
      usual: sorted[sorted.length >> 1] ?? 0,
    }
    levels = []
    exchanges = 0
    mostTracks = 0
    return taken
  }
  Object.assign(globalThis, { takeSound })
}
