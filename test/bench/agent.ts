import { fileURLToPath } from 'node:url'
import type { Bench } from './bench.ts'
import { runInNamespace } from './namespaced.ts'

const PROGRAM = fileURLToPath(new URL('./agent/main.ts', import.meta.url))

/** The field sender's daemon and its sender process behind three uplinks, without its encoder. */
export const agent: Bench = {
  about: 'a field sender at 6 Mb/s on three links: its cost, and how soon it obeys and heals',
  async run({ progress, seconds = 20 }) {
    const [result] = await runInNamespace(PROGRAM, [String(seconds)], progress)
    return { bench: 'agent', ...result }
  },
}
