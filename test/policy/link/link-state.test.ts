import { isDeepStrictEqual } from 'node:util'
import test from 'ava'
import { freshLink, linkStep } from '../../../policy/link/link-state.ts'
import type { LinkAction, LinkFact, LinkStream } from '../../../policy/link/link-terms.ts'
import { Seeded } from '../seeded.ts'
import { SimulatedLink, type SimulatedStream, type Taken } from './simulated-link.ts'

/** Longer than this no queue is waited for, ms. */
const LONGEST_DRAIN_MS = 1_000
/** A picture that does not fit is played at its lowest layer for so long before it is paused, ms. */
const TRIED_FOR_MS = 1_500
/** What a queue says of a link counts for so long, and it is seen once in so long, ms. */
const TAKEN_FOR_MS = 3_000
const QUEUE_COUNTS_ONCE_IN_MS = 2_500

const actionsOf = <Kind extends LinkAction['do']>(actions: readonly LinkAction[], kind: Kind) =>
  actions.filter((action): action is Extract<LinkAction, { do: Kind }> => action.do === kind)

function someStreams(random: Seeded): SimulatedStream[] {
  return Array.from({ length: random.int(1, 3) }, (_, index) => {
    let kbps = random.int(100, 300)
    const steps = Array.from({ length: random.int(1, 3) }, (_, spatial) => {
      const step = { spatial, temporal: 0, kbps, picture: null }
      kbps *= random.int(2, 5)
      return step
    })
    // Of video, with room for the sound; a layer whose bitrate wavers around the ceiling would come and go with it.
    const ceilingKbps =
      Math.round(
        (random.chance(0.6) ? steps.at(-1)! : random.pick(steps)).kbps * (1.1 + 0.7 * random.next()),
      ) + 75
    return {
      id: `${index}`,
      steps,
      floorKbps: random.int(50, ceilingKbps),
      ceilingKbps,
      priority: random.int(1, 3),
    }
  })
}

/** What the pictures' lowest layers take with the sound, kb/s. */
const lowestKbps = (streams: readonly SimulatedStream[]) =>
  streams.reduce((sum, { steps }) => sum + steps[0]!.kbps, 75)

/** What all layers take without the sound, kb/s. */
const topKbps = (streams: readonly SimulatedStream[]) =>
  streams.reduce((sum, { steps }) => sum + steps.at(-1)!.kbps, 0)

/** What the contracts' floors take with the sound, kb/s: they are served first, whatever is left for others. */
const floorsKbps = (streams: readonly SimulatedStream[]) =>
  streams.reduce((sum, { steps, floorKbps, ceilingKbps }) => {
    const within = steps.filter(({ kbps }, step) => step === 0 || kbps <= ceilingKbps)
    return sum + (within.find(({ kbps }) => kbps >= floorKbps) ?? within.at(-1)!).kbps
  }, 75)

/** Lets links of all kinds fall and rise, and hands every step to `check`; calls `settled` when a link has long been the same. */
function playLinks(
  seed: number,
  rounds: number,
  begin: () => { readonly check: (taken: Taken) => void; readonly settled?: (link: SimulatedLink) => void },
): void {
  const random = new Seeded(seed)
  for (let round = 0; round < rounds; round++) {
    const streams = someStreams(random)
    const rates = [1.5, random.next() ** 3, random.next()].map((share) => 80 + topKbps(streams) * share)
    const { check, settled } = begin()
    const link = new SimulatedLink(random, streams, rates[0]!, random.chance(0.7), check)
    for (const kbps of rates) {
      link.carries(kbps)
      link.runFor(20_000)
      settled?.(link)
    }
  }
}

test('the same question has the same answer, and neither the question nor the state is changed by it', (t) => {
  playLinks(1, 4, () => ({
    check: ({ before, fact, seen, state, actions }) => {
      deepFreeze(before)
      deepFreeze(seen)
      if (!isDeepStrictEqual(linkStep(before, fact, seen), { state, actions })) t.fail('another answer')
    },
  }))
  t.pass()
})

test('no stream gets more than it wants, and it wants no more than its ceiling but for the lowest layer', (t) => {
  playLinks(2, 20, () => ({
    check: ({ seen, actions }) => {
      for (const { id, share } of actionsOf(actions, 'take')) {
        const { steps, ceilingKbps } = seen.streams.find((stream) => stream.id === id)!
        if (share.step === null) continue
        if (share.step > share.wanted!) t.fail(`${share.step} of ${share.wanted}`)
        if (share.wanted !== null && share.wanted > 0 && steps[share.wanted]!.kbps! > ceilingKbps)
          t.fail('above its ceiling')
      }
      for (const { kbps } of actionsOf(actions, 'ceiling'))
        t.is(
          kbps,
          seen.streams.reduce((sum, { ceilingKbps }) => sum + ceilingKbps, 0),
        )
    },
  }))
})

test('a picture is not given up before its lowest layer was tried', (t) => {
  playLinks(3, 60, () => {
    const lowestSince = new Map<string, number>()
    const stepOf = new Map<string, number | null>()
    let spared = Number.NEGATIVE_INFINITY
    return {
      check: ({ seen, actions, fact }) => {
        // A queue of more than the lowest layer does not say whether the lowest fits. (Of several, floors come first.)
        const acts = fact.kind === 'piled_up' && actions.length > 0 && seen.streams.length === 1
        if (acts && Array.from(stepOf.values()).some((step) => step !== null && step > 0))
          spared = seen.nowMs + TAKEN_FOR_MS
        for (const { id, share } of actionsOf(actions, 'take')) {
          if (share.step === null && stepOf.get(id) !== null) {
            const triedFor = seen.nowMs - (lowestSince.get(id) ?? Number.POSITIVE_INFINITY)
            if (seen.nowMs < spared) t.fail(`given up ${spared - seen.nowMs} ms before a queue counts for it`)
            if (!(triedFor >= TRIED_FOR_MS)) t.fail(`given up after ${triedFor} ms, from ${stepOf.get(id)}`)
          }
          if (share.step !== 0) lowestSince.delete(id)
          else if (!lowestSince.has(id)) lowestSince.set(id, seen.nowMs)
          stepOf.set(id, share.step)
        }
      },
    }
  })
  t.pass()
})

/** Facts at random, about pictures that go on in whatever layer they are sent in: nothing follows what is decided. */
function playAtRandom(seed: number, facts: number, check: (taken: Taken) => void): void {
  const random = new Seeded(seed)
  const streams = someStreams(random)
  let state = freshLink(1000)
  let seen = { nowMs: 0, connected: true, estimates: true, streams: [] as LinkStream[] }
  for (let index = 0; index < facts; index++) {
    if (random.chance(0.3) || index === 0)
      seen = { ...seen, streams: streams.map((each) => shown(random, each)) }
    seen = { ...seen, nowMs: seen.nowMs + random.pick([1, 20, 50, 200, 200, 700]) }
    const kbps = random.int(50, 6_000)
    const fact: LinkFact = random.pick([
      { kind: 'estimated', availableKbps: kbps, limitKbps: 9_000 },
      { kind: 'piled_up', pace: 0.02 + 0.98 * random.next(), lateMs: random.int(0, 20_000) },
      { kind: 'changed' },
      { kind: random.chance(0.1) ? 'heard' : 'changed' },
    ])
    const before = state
    const step = linkStep(before, fact, seen)
    state = step.state
    check({ before, fact, seen, ...step })
  }
}

function shown(random: Seeded, stream: SimulatedStream): LinkStream {
  const step = random.pick(stream.steps)
  return {
    ...stream,
    view: { tile: null, visible: random.chance(0.95), focused: false, audio: true, video: true },
    ready: random.chance(0.95),
    layer: step,
    sound: random.chance(0.5),
    score: random.pick([10, 10, 10, 7, 4, null]),
  }
}

test('whatever happens, pictures are cut once a second at most, for a lower layer, and wait for no queue for long', (t) => {
  let cut = 0
  for (let seed = 1; seed <= 10; seed++) {
    let cutAt = Number.NEGATIVE_INFINITY
    playAtRandom(seed, 2_000, ({ seen, actions }) => {
      const cuts = actionsOf(actions, 'cut')
      if (cuts.length === 0) return
      if (seen.nowMs - cutAt < 1_000) t.fail(`cut again after ${seen.nowMs - cutAt} ms`)
      cutAt = seen.nowMs
      for (const { id, drainingMs } of cuts) {
        if (!(drainingMs >= 0 && drainingMs <= LONGEST_DRAIN_MS)) t.fail(`waits ${drainingMs} ms`)
        const { layer, steps } = seen.streams.find((stream) => stream.id === id)!
        const { step } = actionsOf(actions, 'take').find((take) => take.id === id)!.share
        if (!(steps[step!]!.spatial < layer.spatial)) t.fail('cut for nothing')
        cut++
      }
    })
  }
  t.true(cut > 50, `${cut} cuts`)
})

test('whatever happens, a queue counts once until it has drained', (t) => {
  let counted = 0
  for (let seed = 11; seed <= 20; seed++) {
    let countedAt = Number.NEGATIVE_INFINITY
    playAtRandom(seed, 1_000, ({ fact, seen, actions }) => {
      if (fact.kind !== 'piled_up' || actions.length === 0) return
      const since = seen.nowMs - countedAt
      if (since < QUEUE_COUNTS_ONCE_IN_MS) t.fail(`again after ${since} ms`)
      countedAt = seen.nowMs
      counted++
    })
  }
  t.true(counted > 50, `${counted} queues`)
})

test('the estimate is held between bounds that make sense, and probes ask for more than is known', (t) => {
  const seen = { pin: 0, probe: 0 }
  playLinks(5, 30, () => {
    let probedAt = Number.NEGATIVE_INFINITY
    return {
      check: ({ actions, seen: { nowMs } }) => {
        for (const { minKbps, maxKbps } of actionsOf(actions, 'pin')) {
          if (!(minKbps >= 0 && minKbps <= maxKbps)) t.fail(`${minKbps} to ${maxKbps}`)
          seen.pin++
        }
        for (const { goalKbps, estimateKbps } of actionsOf(actions, 'probe')) {
          if (!(goalKbps > estimateKbps)) t.fail(`${goalKbps} above ${estimateKbps}`)
          if (nowMs - probedAt < 100) t.fail(`again after ${nowMs - probedAt} ms`)
          probedAt = nowMs
          seen.probe++
        }
      },
    }
  })
  t.true(seen.pin > 10 && seen.probe > 80, JSON.stringify(seen))
})

test('whoever goes short is looked at again, whatever happens', (t) => {
  playLinks(6, 10, () => ({
    check: ({ actions }) => {
      const short = actionsOf(actions, 'take').some(({ share }) => share.reason === 'bandwidth')
      const looks = actionsOf(actions, 'look')
      if (short && looks.length !== 1) t.fail('nobody looks again')
      for (const { afterMs } of looks) if (!(afterMs >= 50 && afterMs <= 1_000)) t.fail(`${afterMs} ms`)
    },
  }))
  t.pass()
})

test('on a link that a layer just fits, or just not, pictures do not flap, and no queue stands', (t) => {
  const random = new Seeded(7)
  for (let round = 0; round < 80; round++) {
    const streams = random.chance(0.5) ? someStreams(random) : someStreams(random).slice(0, 1)
    const watched = random.chance(0.5)
    const nearly = (random.pick(streams[0]!.steps).kbps + 75) * (0.95 + 0.3 * random.next())
    const carries = Math.max(nearly, floorsKbps(streams) * 1.4)
    const steps = new Map<string, number | null>()
    let settled = false
    let changes = 0
    const link = new SimulatedLink(
      random,
      streams,
      topKbps(streams) * (0.5 + random.next()),
      watched,
      (taken) => {
        for (const { id, share } of actionsOf(taken.actions, 'take')) {
          if (settled && steps.get(id) !== share.step) changes++
          steps.set(id, share.step)
        }
      },
    )
    link.runFor(10_000)
    link.carries(carries)
    link.runFor(20_000)
    settled = true
    link.runFor(40_000)
    const about = `round ${round}: ${JSON.stringify({ carries, watched, streams })}`
    // A trial takes a step up, and back where it does not fit.
    t.true(changes <= 4 * streams.length, `${changes} changes, ${about}`)
    t.true(link.queueMs < 300, `${link.queueMs} ms, ${about}`)
    t.true(
      Array.from(link.sent.values()).every((step) => step !== null),
      about,
    )
  }
})

test('a link that falls to what carries the lowest layer drains its queue within seconds, where the page tells of it', (t) => {
  const random = new Seeded(8)
  let fell = 0
  for (let round = 0; round < 60; round++) {
    const [stream] = someStreams(random)
    const { steps } = stream!
    // Where less is missing, the queue drains by the little that the next layer below leaves free.
    if (steps.length < 2) continue
    const link = new SimulatedLink(random, [stream!], topKbps([stream!]) * 1.5, true, () => {})
    link.runFor(15_000)
    link.carries(lowestKbps([stream!]) * 1.3)
    link.runFor(1_000)
    if (link.queueMs > 100) fell++
    let drainedAfter = 1_000
    for (; link.queueMs > 60 && drainedAfter < 10_000; drainedAfter += 100) link.runFor(100)
    t.true(drainedAfter < 6_000, `round ${round}: ${drainedAfter} ms`)
  }
  t.true(fell > 10, `${fell} falls with a queue`)
})

function deepFreeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return
  Object.freeze(value)
  for (const each of Object.values(value)) deepFreeze(each)
}
