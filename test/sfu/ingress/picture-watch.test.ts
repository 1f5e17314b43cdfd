import test from 'ava'
import { type PictureCounts, PictureWatch } from '../../../sfu/ingress/picture-watch.ts'

/** A stream of this many pictures a second, looked at every 100 ms. */
class Scene {
  readonly watch = new PictureWatch()
  readonly counts: { -readonly [Name in keyof PictureCounts]: PictureCounts[Name] } = {
    announced: true,
    arrived: 0,
    sent: 0,
    leftOut: 0,
  }
  #now = 0

  constructor() {
    this.watch.begins(0)
  }

  /** Lets time pass; answers what there was to see, without repetitions. */
  run(seconds: number, each: (tick: number) => Partial<Omit<PictureCounts, 'announced'>>): string[] {
    const seen: string[] = []
    for (let tick = 0; tick < seconds * 10; tick++) {
      const { arrived = 0, sent = 0, leftOut = 0 } = each(tick)
      this.counts.arrived += arrived
      this.counts.sent += sent
      this.counts.leftOut += leftOut
      this.#now += 100
      const state = this.watch.observe(this.#now, this.counts)
      if (state !== seen.at(-1)) seen.push(state)
    }
    return seen
  }
}

const whole = () => ({ arrived: 3, sent: 3 })
const nothing = () => ({})

test('pictures that stop are missed after two seconds, and back with the first one', (t) => {
  const scene = new Scene()
  t.deepEqual(scene.run(5, whole), ['whole'])
  t.deepEqual(scene.run(1.8, nothing), ['whole'])
  t.deepEqual(scene.run(1, nothing), ['whole', 'none'])
  t.deepEqual(scene.run(1, whole), ['whole'])
})

test('a picture every second, or every two, has not stopped', (t) => {
  for (const ticks of [10, 20]) {
    const scene = new Scene()
    const slow = (tick: number) => (tick % ticks === 0 ? whole() : {})
    t.deepEqual(scene.run(30, slow), ['whole'])
    t.deepEqual(scene.run(8, nothing), ['whole', 'none'])
  }
})

test('pictures that arrive and can not leave wait', (t) => {
  const scene = new Scene()
  scene.run(5, whole)
  t.deepEqual(scene.run(5, () => ({ arrived: 3, leftOut: 3 })).at(-1), 'waiting')
  t.deepEqual(scene.run(1, whole), ['damaged'])
  t.deepEqual(scene.run(8, whole), ['damaged', 'whole'])
})

test('a picture left out now and then is no disturbance; several are a disturbance until it has been quiet', (t) => {
  const scene = new Scene()
  const now = (tick: number) => ({ ...whole(), ...(tick % 20 === 0 && { leftOut: 1 }) })
  t.deepEqual(scene.run(20, now), ['whole'])
  const often = (tick: number) => ({ ...whole(), ...(tick % 5 === 0 && { leftOut: 1 }) })
  t.deepEqual(scene.run(5, often), ['whole', 'damaged'])
  t.deepEqual(scene.run(4, whole), ['damaged'])
  t.deepEqual(scene.run(4, whole), ['damaged', 'whole'])
})

test('sound alone misses nothing', (t) => {
  const scene = new Scene()
  scene.counts.announced = false
  t.deepEqual(scene.run(30, nothing), ['whole'])
})
