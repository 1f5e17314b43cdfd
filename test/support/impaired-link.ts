import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Impairment } from './impairment.ts'

export type LinkOrder =
  | {
      type: 'open'
      targetPort: number
      seed: number
      oneSource: boolean
      forward: Partial<Impairment>
      backward: Partial<Impairment>
    }
  | { type: 'set'; forward: Partial<Impairment>; backward: Partial<Impairment> }
  | { type: 'counters' }
export type LinkReply = { type: 'opened'; port: number } | { type: 'done'; counters: LinkCounters }

export interface DirectionCounters {
  readonly received: number
  readonly delivered: number
  readonly dropped: number
  readonly bytes: number
}
export interface LinkCounters {
  readonly forward: DirectionCounters
  readonly backward: DirectionCounters
}

export interface ImpairedLinkOptions {
  /** UDP port on 127.0.0.1 that packets go to. */
  readonly targetPort: number
  /** The same seed impairs the same packets. */
  readonly seed?: number
  /** All clients reach the target from the same port, as behind a NAT that keeps its mapping. */
  readonly oneSource?: boolean
  /** Towards the target. Fields that are left out are unimpaired. */
  readonly forward?: Partial<Impairment>
  /** Back to the client. */
  readonly backward?: Partial<Impairment>
}

const PROGRAM = fileURLToPath(new URL('./impaired-link-process.ts', import.meta.url))

/** A UDP link over 127.0.0.1 that impairs what goes through it, in a process of its own. */
export interface ImpairedLink extends AsyncDisposable {
  /** Where clients send to. */
  readonly port: number
  /** Replaces both directions' impairments. Resolves when they hold. Fields that are left out are unimpaired. */
  set(impairments: { forward?: Partial<Impairment>; backward?: Partial<Impairment> }): Promise<void>
  /** The same impairment for both directions. */
  setBoth(impairment: Partial<Impairment>): Promise<void>
  counters(): Promise<LinkCounters>
}

export async function openImpairedLink(options: ImpairedLinkOptions): Promise<ImpairedLink> {
  const child = fork(PROGRAM, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] })
  const exited = once(child, 'exit')
  const ask = async (order: LinkOrder): Promise<LinkReply> => {
    const answer = once(child, 'message')
    child.send(order)
    const [message] = await answer
    return message
  }
  /** One question at a time: answers carry no number. */
  let last: Promise<unknown> = Promise.resolve()
  const queued = (order: LinkOrder): Promise<LinkReply> => {
    const next = last.then(() => ask(order))
    last = next.catch(() => undefined)
    return next
  }
  const { targetPort, seed = 1, oneSource = false, forward = {}, backward = {} } = options
  const opened = await queued({ type: 'open', targetPort, seed, oneSource, forward, backward })
  if (opened.type !== 'opened') throw new Error('the impaired link did not open')
  const set: ImpairedLink['set'] = async (impairments) => {
    await queued({ type: 'set', forward: {}, backward: {}, ...impairments })
  }
  return {
    port: opened.port,
    set,
    setBoth: (impairment) => set({ forward: impairment, backward: impairment }),
    counters: async () => {
      const answer = await queued({ type: 'counters' })
      if (answer.type !== 'done') throw new Error('the impaired link answered out of turn')
      return answer.counters
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}
