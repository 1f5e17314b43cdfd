import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { wayToNamespace } from '../support/namespaces.ts'
import type { Bench } from './bench.ts'

const PROGRAM = fileURLToPath(new URL('./roam/main.ts', import.meta.url))

const said = z.union([
  z.strictObject({ progress: z.string() }),
  z.strictObject({ result: z.looseObject({ name: z.string() }) }),
])

/** Viewers, publishers and field senders change networks in the middle of a stream, each in namespaces of their own. */
export const roam: Bench = {
  about: 'other addresses and blocked networks in the middle of a stream: ms until pictures move again',
  async run({ progress }) {
    const cases: unknown[] = []
    const [execPath = '', ...execArgv] = await wayToNamespace()
    const child = fork(PROGRAM, process.env['ROAM_CASES']?.split(',') ?? [], {
      execPath,
      execArgv: [...execArgv, process.execPath],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // The hub's own certificate authority is nobody's elsewhere.
      env: { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_NO_WARNINGS: '1' },
    })
    child.on('message', (raw) => {
      const message = said.parse(raw)
      if ('progress' in message) progress.say(message.progress)
      else cases.push(message.result)
    })
    const [code, signal] = await once(child, 'exit')
    if (code !== 0) throw new Error(`the bench ended with ${code ?? signal}: ${JSON.stringify(cases)}`)
    return { bench: 'roam', cases }
  },
}
