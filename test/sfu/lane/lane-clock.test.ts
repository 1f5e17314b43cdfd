import test from 'ava'
import { createTrackClock, LaneClock } from '../../../sfu/lane/lane-clock.ts'

const epochMs = 1_000_000
const frame = 3000
const modulus = 2 ** 33

const clock = (last90k = 0, onReset?: () => void): LaneClock =>
  new LaneClock({ epochMs, offset90k: 5000, last90k }, onReset)

/** Feeds frames at 30 per second and gives the ticks back. */
function run(
  lane: LaneClock,
  track: ReturnType<typeof createTrackClock>,
  frames: number,
  pts: (index: number) => number,
  at: (index: number) => number,
): number[] {
  return Array.from({ length: frames }, (_, index) =>
    lane.ticks(track, (pts(index) + modulus) % modulus, at(index)),
  )
}

const steps = (ticks: readonly number[]): number[] =>
  ticks.slice(1).map((tick, index) => tick - ticks[index]!)

test('the first unit lies on the wall clock, the following ones on their PTS, over the 33-bit wrap', (t) => {
  const lane = clock()
  const track = createTrackClock()
  const jitter = (index: number): number => epochMs + index * (1000 / 30) + (index % 7) * 3
  const ticks = run(lane, track, 300, (index) => modulus - 100 * frame + index * frame, jitter)
  t.is(ticks[0], 5000)
  t.true(steps(ticks).every((step) => step === frame))
  t.is(lane.state.last90k, 5000 + 299 * frame)
})

test('a wrong wall, slow drift and jitter never show in the timestamps', (t) => {
  let resets = 0
  const lane = clock(0, () => resets++)
  const ticks = run(
    lane,
    createTrackClock(),
    30 * 3600,
    (index) => index * frame,
    (index) => epochMs + index * 33.34,
  )
  t.true(steps(ticks).every((step) => step === frame))
  t.is(resets, 0)
})

test('a blackout in which PTS went on is bridged by PTS; a stall and its burst too', (t) => {
  let resets = 0
  const lane = clock(0, () => resets++)
  const track = createTrackClock()
  run(
    lane,
    track,
    30,
    (index) => index * frame,
    (index) => epochMs + index * (1000 / 30),
  )
  t.is(lane.ticks(track, 30 * frame + 450_000, epochMs + 1000 + 5300), 5000 + 30 * frame + 450_000)
  // three seconds of nothing, then ninety frames at once
  const burst = run(
    lane,
    track,
    90,
    (index) => 31 * frame + 450_000 + index * frame,
    () => epochMs + 9300,
  )
  t.true(steps(burst).every((step) => step === frame))
  t.is(resets, 0)
})

test('PTS that start again go on where the wall clock says, sound and pictures on one line', (t) => {
  let resets = 0
  const lane = clock(0, () => resets++)
  const video = createTrackClock()
  const audio = createTrackClock()
  const first = 900_000
  let lastVideo = 0
  let lastAudio = 0
  for (let index = 0; index < 60; index++) {
    const at = epochMs + index * (1000 / 30)
    lastVideo = lane.ticks(video, first + index * frame, at)
    lastAudio = lane.ticks(audio, first + index * frame - 18_000, at) // sound is muxed 200 ms late
  }
  t.is(lastVideo - lastAudio, 18_000)
  // the sender is back after 700 ms with PTS from 126000; its sound comes a few packets later
  const back = epochMs + 2700
  const newVideo = lane.ticks(video, 126_000, back)
  const oldStyle = lane.ticks(video, 129_000, back + 33)
  const newAudio = lane.ticks(audio, 126_000 - 18_000, back + 40)
  t.is(resets, 1)
  t.is(oldStyle - newVideo, frame)
  t.is(newVideo - newAudio, 18_000, 'lip sync survives')
  t.true(Math.abs(newVideo - lane.wallTicks(back)) <= frame, 'time moved on as on the wall')
  t.true(newAudio > lastAudio)
})

test('when sound breaks off first, pictures still follow it onto one line and never go back', (t) => {
  const lane = clock()
  const video = createTrackClock()
  const audio = createTrackClock()
  for (let index = 0; index < 60; index++) {
    const at = epochMs + index * (1000 / 30)
    lane.ticks(video, index * frame, at)
    lane.ticks(audio, index * frame + 27_000, at) // sound is muxed 300 ms early
  }
  const before = video.lastTicks
  const at = epochMs + 2010
  const sound = lane.ticks(audio, 7_000_000 + 27_000, at)
  const goneOn = lane.ticks(video, 60 * frame, at + 5)
  const picture = lane.ticks(video, 7_000_000 + frame, at + 33)
  t.is(goneOn - before, frame, 'what is left of the old stretch stays on it')
  t.is(sound - picture, 27_000 - frame)
  t.true(picture > goneOn)
})

test('sound that comes seconds late from its transcoder still lies on the line of the pictures', (t) => {
  let resets = 0
  const lane = clock(0, () => resets++)
  const video = createTrackClock()
  const audio = createTrackClock()
  const pictures = run(
    lane,
    video,
    120,
    (index) => index * frame,
    (index) => epochMs + index * (1000 / 30),
  )
  t.is(lane.ticks(audio, 30 * frame, epochMs + 4000), pictures[30]!)
  t.is(resets, 0)
})

test('tracks whose PTS have nothing to do with each other are each kept steady', (t) => {
  let resets = 0
  const lane = clock(0, () => resets++)
  const video = createTrackClock()
  const audio = createTrackClock()
  const start = (index: number): number => epochMs + index * (1000 / 30)
  const pictures: number[] = []
  const sounds: number[] = []
  for (let index = 0; index < 1000; index++) {
    pictures.push(lane.ticks(video, index * frame, start(index)))
    sounds.push(lane.ticks(audio, 5_000_000_000 + index * frame, start(index)))
  }
  t.true(steps(pictures).every((step) => step === frame))
  t.true(steps(sounds).every((step) => step === frame))
  t.is(pictures[999], sounds[999])
  t.is(resets, 1)
})

test('one wild PTS does not move the stream: the old line is taken up again', (t) => {
  const lane = clock()
  const video = createTrackClock()
  const ticks = run(
    lane,
    video,
    90,
    (index) => (index === 45 ? 5_000_000_000 : index * frame),
    (index) => epochMs + index * (1000 / 30),
  )
  t.true(steps(ticks).every((step) => step > 0))
  t.is(ticks[89]! - ticks[44]!, 45 * frame)
})

test('an interruption begins a new stretch even when PTS happen to fit', (t) => {
  const lane = clock()
  const video = createTrackClock()
  run(
    lane,
    video,
    30,
    (index) => index * frame,
    (index) => epochMs + index * (1000 / 30),
  )
  lane.interrupt()
  const ticks = lane.ticks(video, 30 * frame, epochMs + 4000)
  t.true(Math.abs(ticks - lane.wallTicks(epochMs + 4000)) <= frame)
})

test('after an interruption no track stays on its old line, even when its PTS happen to go on', (t) => {
  const lane = clock()
  const sound = createTrackClock()
  const pictures = createTrackClock()
  const at = (index: number): number => epochMs + (index * 1000) / 30
  run(lane, sound, 60, (index) => index * frame, at)
  run(lane, pictures, 60, (index) => index * frame, at)
  lane.interrupt()
  // 0.8 s later the restarted sender's sound comes first, its pictures wait for a keyframe: PTS 61 and 75
  const later = (index: number): number => at(60 + index) + 800
  const [first] = run(lane, sound, 1, () => 61 * frame, later)
  const [picture] = run(
    lane,
    pictures,
    1,
    () => 75 * frame,
    (index) => later(14 + index),
  )
  t.is(first, lane.wallTicks(later(0)))
  t.is(picture! - first!, 14 * frame)
})

test('a successor process moves on by real time, and never behind what left', (t) => {
  const lane = clock()
  run(
    lane,
    createTrackClock(),
    30,
    (index) => index * frame,
    (index) => epochMs + index * (1000 / 30),
  )
  const { state } = lane
  const later = new LaneClock(JSON.parse(JSON.stringify(state)))
  t.is(later.ticks(createTrackClock(), 777, epochMs + 2500), 5000 + 2500 * 90)
  const atOnce = new LaneClock({ ...state, last90k: state.last90k + 900_000 })
  t.is(atOnce.ticks(createTrackClock(), 777, epochMs + 1100), state.last90k + 900_000 + frame)
})

test('per track ticks only grow, whatever PTS and wall do', (t) => {
  const lane = clock()
  const tracks = [createTrackClock(), createTrackClock()]
  const last = [-1, -1]
  let seed = 12_345
  const random = (): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
    return seed / 2 ** 31
  }
  for (let round = 0; round < 20_000; round++) {
    const which = random() < 0.5 ? 0 : 1
    const pts = random() < 0.9 ? (round * frame) % modulus : Math.floor(random() * modulus)
    const ticks = lane.ticks(tracks[which]!, pts, epochMs + round * 33 + random() * 4000 - 2000)
    if (ticks <= last[which]!) t.fail(`went back in round ${round}`)
    last[which] = ticks
  }
  t.pass()
})
