import test from 'ava'
import { considerMove, evensOut, type MoveMemory, NO_MOVES } from '../../policy/worker-moves.ts'

/** Looks once a second at what `loadsAt` says; when each move came, and between which workers. */
function watch(seconds: number, loadsAt: (second: number) => readonly number[]): string[] {
  let memory: MoveMemory = NO_MOVES
  const moves: string[] = []
  for (let second = 0; second <= seconds; second++) {
    const loads = loadsAt(second).map((load, index) => ({ index, load }))
    const answer = considerMove(memory, loads, 1_000_000 + second * 1000)
    memory = answer.memory
    if (answer.move) moves.push(`${second}: ${answer.move.from} to ${answer.move.to}`)
  }
  return moves
}

test('from a worker that stays clearly busier viewers move one after the other', (t) => {
  t.deepEqual(
    watch(22, () => [0.3, 0.8, 0.5]),
    ['10: 1 to 0', '15: 1 to 0', '20: 1 to 0'],
  )
})

test('nobody moves where all are busy, none is, or there is one worker', (t) => {
  t.deepEqual(
    watch(60, () => [0.95, 0.8]),
    [],
  )
  t.deepEqual(
    watch(60, () => [0.55, 0]),
    [],
  )
  t.deepEqual(
    watch(60, () => [1]),
    [],
  )
  t.deepEqual(
    watch(60, () => []),
    [],
  )
})

test('load that comes and goes moves nobody', (t) => {
  t.deepEqual(
    watch(60, (second) => (second % 10 === 9 ? [0.4, 0.5] : [0.2, 0.9])),
    [],
  )
  t.deepEqual(
    watch(60, (second) => (second % 8 < 4 ? [0.2, 0.9] : [0.9, 0.2])),
    [],
  )
})

test('it ends as soon as the difference is gone', (t) => {
  let load = 0.9
  const moves = watch(120, (second) => {
    if (second >= 11 && (second - 11) % 5 === 0) load = Math.max(0.6, load - 0.05)
    return [1.2 - load, load]
  })
  t.deepEqual(moves.length, 4, moves.join())
})

/**
 * Viewers of one stream, of two consumers each, on its own worker and on another to which it is piped while anybody
 * watches there. One look a second. Returns when each move came.
 */
function movesOf(room: number, own: number, other: number, seconds: number): number[] {
  const viewers = [own, other]
  let memory: MoveMemory = NO_MOVES
  const moves: number[] = []
  for (let second = 0; second < seconds; second++) {
    const [here = 0, there = 0] = viewers
    const loads = [(2 * here + (there > 0 ? 2 : 0)) / room, (2 * there) / room]
    const answer = considerMove(
      memory,
      loads.map((load, index) => ({ index, load })),
      second * 1000,
    )
    memory = answer.memory
    if (!answer.move) continue
    const { from, to } = answer.move
    if (!evensOut(loads[from]!, loads[to]!, 2 / room)) continue
    viewers[from]!--
    viewers[to]!++
    moves.push(second)
  }
  return moves
}

test('nobody goes back and forth, however much a viewer and a pipe are of the room', (t) => {
  let most = 0
  for (let room = 2; room <= 60; room += 2)
    for (let own = 0; 2 * own <= room; own++)
      for (let other = 0; 2 * other + (other > 0 ? 2 : 0) <= room; other++) {
        const moves = movesOf(room, own, other, 300)
        most = Math.max(most, moves.length)
        const late = moves.filter((second) => second > 200)
        if (late.length > 0) t.fail(`room ${room}, viewers ${own} and ${other}: moves at ${moves.join()}`)
      }
  t.true(most > 5, 'some move at all')
})
