import { resolve } from 'node:path'
import { Child } from '../../../common/supervision/child.ts'

/** A parent that is killed: it has children of every kind, and prints their pids once the speaking ones have spoken. */
const entry = resolve(import.meta.dirname, 'child-main.ts')
const pids = new Set<number>()
const foreign = new Child(
  { command: 'cat', args: [], env: { PATH: process.env.PATH ?? '' } },
  { heard: () => {}, broken: () => {} },
  0,
)
pids.add(foreign.pid!)
for (const BEHAVES of ['speaks', 'loops', 'ignores the end']) {
  const child: Child = new Child(
    { entry, env: { BEHAVES } },
    {
      heard: () => {
        pids.add(child.pid!)
        if (pids.size === 4) process.stdout.write(`${JSON.stringify([...pids])}\n`)
      },
      broken: () => {},
    },
    1000,
  )
}
