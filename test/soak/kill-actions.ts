import { setTimeout as delay } from 'node:timers/promises'
import { descendants, programOf } from '../support/processes.ts'
import { type Acting, type Action, oneOf, someMs } from './action.ts'
import type { SoakRig } from './soak-rig.ts'

/** Children by a part of their command line. */
const KINDS = {
  worker: 'mediasoup-worker',
  ingress: 'ingress-main',
  transcoder: 'ffmpeg',
  encoder: 'encoder-main',
  relay: 'turn-main',
} as const

/** A child that is stopped goes on after at most this long, ms: whether the hub replaced it or not. */
const LONGEST_STOP_MS = 6000

function childrenOf(rig: SoakRig, kind: keyof typeof KINDS): number[] {
  const parents = kind === 'encoder' ? rig.senders.flatMap(({ pid }) => pid ?? []) : [rig.hub.pid]
  return parents.flatMap(descendants).filter((pid) => programOf(pid).includes(KINDS[kind]))
}

/** @throws where there is none now */
function someChild({ rig, random }: Acting, kind: keyof typeof KINDS): number {
  const children = childrenOf(rig, kind)
  if (children.length === 0) throw new Error(`no ${kind} runs now`)
  return oneOf(random, children)
}

const kill = (kind: keyof typeof KINDS, weight: number): Action => ({
  name: `kill: ${kind}`,
  weight,
  async run(acting) {
    process.kill(someChild(acting, kind), 'SIGKILL')
  },
})

const stop = (kind: keyof typeof KINDS, weight: number): Action => ({
  name: `stop for a while: ${kind}`,
  weight,
  async run(acting) {
    const pid = someChild(acting, kind)
    process.kill(pid, 'SIGSTOP')
    try {
      await delay(someMs(acting.random, 300, LONGEST_STOP_MS), undefined, { signal: acting.signal }).catch(
        () => {},
      )
    } finally {
      // The hub may have ended it meanwhile.
      if (programOf(pid).includes(KINDS[kind])) process.kill(pid, 'SIGCONT')
    }
  },
})

/** Every kind of child dies or hangs. */
export const KILL_ACTIONS: readonly Action[] = [
  kill('worker', 2),
  kill('ingress', 2),
  kill('transcoder', 1),
  kill('encoder', 1),
  kill('relay', 1),
  stop('worker', 1),
  stop('ingress', 1),
  stop('encoder', 1),
  stop('relay', 1),
]
