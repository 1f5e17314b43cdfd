import { messageOf } from '../../common/errors.ts'
import { soak } from './soak.ts'
import { readOptions, SOAK_HELP } from './soak-options.ts'
import { verdictText } from './verdict.ts'

/** What the libraries of the peers that are played throw behind their callers' backs: not the hub's doing. */
const noise = new Map<string, number>()
const note = (error: unknown): void => {
  const words = messageOf(error).slice(0, 120)
  noise.set(words, (noise.get(words) ?? 0) + 1)
}
process.on('unhandledRejection', note)
process.on('uncaughtException', note)

const startedAt = performance.now()
const say = (line: string): void =>
  void process.stderr.write(`[${Math.round((performance.now() - startedAt) / 1000)}s] ${line}\n`)

process.exit(await main())

async function main(): Promise<number> {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  try {
    const options = readOptions(process.argv.slice(2))
    if (!options) {
      process.stdout.write(SOAK_HELP)
      return 0
    }
    say(`seed ${options.seed}, ${options.minutes} minutes`)
    const result = await soak(options, say, stop.signal)
    for (const [name, { done, failed, last_error }] of Object.entries(result.actions))
      say(
        `${name}: ${done} done, ${failed} not${last_error === null ? '' : `, last: ${last_error.slice(0, 200)}`}`,
      )
    for (const [kind, count] of Object.entries(result.errors)) say(`${count} x in the hub's log: ${kind}`)
    for (const [words, count] of noise) say(`${count} x by the peers' own libraries: ${words}`)
    process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : verdictText(result))
    return result.clean ? 0 : 1
  } catch (error) {
    say(`could not run: ${messageOf(error)}`)
    return 2
  }
}
