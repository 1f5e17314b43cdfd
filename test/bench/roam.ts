import { fileURLToPath } from 'node:url'
import type { Bench } from './bench.ts'
import { runInNamespace } from './namespaced.ts'

const PROGRAM = fileURLToPath(new URL('./roam/main.ts', import.meta.url))

/** Viewers, publishers and field senders change networks in the middle of a stream, each in namespaces of their own. */
export const roam: Bench = {
  about: 'other addresses and blocked networks in the middle of a stream: ms until pictures move again',
  async run({ progress }) {
    const cases = process.env['ROAM_CASES']?.split(',') ?? []
    return { bench: 'roam', cases: await runInNamespace(PROGRAM, cases, progress) }
  },
}
