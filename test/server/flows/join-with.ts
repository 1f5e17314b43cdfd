import { z } from 'zod'
import { hubNotifications } from '../../../common/wire/viewer-protocol.ts'

/** What the hub answered to a `join`. */
export interface JoinOutcome {
  readonly ok: boolean
  readonly code: number
  readonly reason: string
}

export interface Joined extends Disposable {
  readonly answer: JoinOutcome
  /** The `contract-ended` of this connection; pending while the contract runs. */
  readonly ended: Promise<{ readonly reason: string }>
}

const message = z.looseObject({
  response: z.boolean().optional(),
  notification: z.boolean().optional(),
  ok: z.boolean().default(false),
  errorCode: z.number().default(0),
  errorReason: z.string().default(''),
  method: z.string().optional(),
  data: z.unknown().optional(),
})

/** Shows a ticket on a WebSocket of its own, as any client of the protocol may. */
export async function joinWith(hubUrl: string, ticket: string): Promise<Joined> {
  const socket = new WebSocket(`${hubUrl.replace(/^http/, 'ws')}/protoo`, 'protoo')
  const answer = Promise.withResolvers<JoinOutcome>()
  const ended = Promise.withResolvers<{ reason: string }>()
  socket.addEventListener('message', ({ data }) => {
    const {
      response,
      ok,
      errorCode,
      errorReason,
      method,
      data: told,
    } = message.parse(JSON.parse(String(data)))
    if (response === true) answer.resolve({ ok, code: errorCode, reason: errorReason })
    if (method === 'contract-ended') ended.resolve(hubNotifications['contract-ended'].parse(told))
  })
  socket.addEventListener('close', () => answer.reject(new Error('the hub closed the connection')))
  socket.addEventListener('error', () => answer.reject(new Error('the hub can not be reached')))
  await new Promise((resolve) => socket.addEventListener('open', resolve))
  const data = { ticket, rtp_capabilities: {} }
  socket.send(JSON.stringify({ request: true, id: 1, method: 'join', data }))
  return {
    answer: await answer.promise,
    ended: ended.promise,
    [Symbol.dispose]: () => socket.close(),
  }
}
