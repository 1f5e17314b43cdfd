import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type Enter, nodeIn } from './namespaces.ts'
import {
  type RoamerAnswer,
  type RoamerRequest,
  type RoamerStart,
  type RoamerState,
  roamerAnswer,
} from './werift-roamer-protocol.ts'

const PROGRAM = fileURLToPath(new URL('./werift-roamer-main.ts', import.meta.url))

/** A peer of werift in another network. */
export interface WeriftRoamer extends AsyncDisposable {
  state(): Promise<RoamerState>
  /** Restarts ICE; with `resume` on another WebSocket. Resolves when there is a path. */
  restart(resume: boolean): Promise<void>
}

/** Resolves when its media is connected. @param enter its network namespace */
export async function openWeriftRoamer(start: RoamerStart, enter: Enter): Promise<WeriftRoamer> {
  const child = fork(PROGRAM, [], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [],
    ...nodeIn(enter),
  })
  const waiting = new Map<number, (answer: RoamerAnswer) => void>()
  child.on('message', (raw) => {
    const answer = roamerAnswer.parse(raw)
    waiting.get(answer.id)?.(answer)
    waiting.delete(answer.id)
  })
  const exited = once(child, 'exit')
  let asked = 0
  const answerTo = async (id: number): Promise<RoamerAnswer> => {
    const answered = new Promise<RoamerAnswer>((resolve) => waiting.set(id, resolve))
    const answer = await Promise.race([answered, exited])
    if (!('id' in answer)) throw new Error(`the roamer ended with ${String(answer)}`)
    if (answer.error !== null) throw new Error(answer.error)
    return answer
  }
  const ask = (what: RoamerRequest['ask'], resume = false): Promise<RoamerAnswer> => {
    const id = ++asked
    const answer = answerTo(id)
    child.send({ id, ask: what, resume } satisfies RoamerRequest)
    return answer
  }
  const end = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
  }
  const opened = answerTo(0)
  child.send(start)
  try {
    await opened
  } catch (error) {
    await end()
    throw error
  }
  return {
    state: async () => (await ask('state')).state!,
    restart: async (resume) => void (await ask('restart', resume)),
    [Symbol.asyncDispose]: end,
  }
}
