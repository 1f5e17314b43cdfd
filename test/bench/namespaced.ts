import { fork } from 'node:child_process'
import { once } from 'node:events'
import { z } from 'zod'
import { wayToNamespace } from '../support/namespaces.ts'
import type { Progress } from './progress.ts'

const said = z.union([
  z.strictObject({ progress: z.string() }),
  z.strictObject({ result: z.record(z.string(), z.unknown()) }),
])
/** What a program of {@link runInNamespace} says by `process.send`. */
export type NamespacedSaid = z.input<typeof said>

/**
 * Runs a program of a benchmark in a network namespace of its own, which ends with it.
 * @returns its results, in their order. @throws where it ends with an error
 */
export async function runInNamespace(
  program: string,
  args: readonly string[],
  progress: Progress,
): Promise<readonly Record<string, unknown>[]> {
  const results: Record<string, unknown>[] = []
  const [execPath = '', ...execArgv] = await wayToNamespace()
  const child = fork(program, [...args], {
    execPath,
    execArgv: [...execArgv, process.execPath],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // The hub's own certificate authority is nobody's elsewhere.
    env: { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_NO_WARNINGS: '1' },
  })
  child.on('message', (raw) => {
    const message = said.parse(raw)
    if ('progress' in message) progress.say(message.progress)
    else results.push(message.result)
  })
  const [code, signal] = await once(child, 'exit')
  if (code !== 0) throw new Error(`the bench ended with ${code ?? signal}: ${JSON.stringify(results)}`)
  return results
}
