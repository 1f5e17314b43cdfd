import test from 'ava'
import { type Door, Doors } from '../../server/doors.ts'

function door(path: string | null, connections: number, used: number, anonymous: number, strangers = 0) {
  const closed: string[] = []
  const made: Door = {
    upgrades: path === null ? null : { path, take: () => {} },
    connections,
    inUse: { used, anonymous },
    turnOut() {
      if (strangers === 0) return false
      strangers -= 1
      return true
    },
    [Symbol.dispose]: () => void closed.push(path ?? 'none'),
  }
  return { made, closed }
}

test('the table adds up its doors, finds the one of a path, and closes all', (t) => {
  const doors = new Doors()
  t.deepEqual([doors.connections, doors.inUse, doors.turnOut()], [0, { used: 0, anonymous: 0 }, false])
  const [sdp, protoo, console] = [
    door(null, 3, 2, 1),
    door('/protoo', 5, 4, 2, 1),
    door('/console', 0, 0, 0, 1),
  ]
  for (const { made } of [sdp, protoo, console]) doors.add(made)
  t.is(doors.connections, 8)
  t.deepEqual(doors.inUse, { used: 6, anonymous: 3 })
  t.is(doors.ofPath('/console'), console.made.upgrades ?? undefined)
  t.is(doors.ofPath('/other'), undefined)
  t.is(doors.ofPath(undefined), undefined)
  // One connection a call, of whichever door has one to give.
  t.deepEqual([doors.turnOut(), doors.turnOut(), doors.turnOut()], [true, true, false])
  doors[Symbol.dispose]()
  t.deepEqual(
    [sdp, protoo, console].flatMap(({ closed }) => closed),
    ['none', '/protoo', '/console'],
  )
})
