import { Agent, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { percentile } from '../support/frame-reader.ts'
import { type LoadOrder, type LoadResult, loadOrderSchema } from './hub-load-protocol.ts'

/** Loads a hub over kept HTTP/1.1 connections, each with one request at a time. Runs in a process of its own. */
process.on('disconnect', () => process.exit())
process.on('message', (raw) => {
  void load(loadOrderSchema.parse(raw)).then((result) => process.send?.(result))
})

async function load(order: LoadOrder): Promise<LoadResult> {
  // Each token has an address of its own, as different callers do, because addresses have a rate limit too.
  const share = Math.ceil(order.connections / order.tokens.length)
  const agents = order.tokens.map(
    (_, index) => new Agent({ keepAlive: true, maxSockets: share, localAddress: `127.0.0.${index + 2}` }),
  )
  const times: number[] = []
  const others: Record<string, number> = {}
  const from = performance.now()
  const until = from + order.seconds * 1000
  let next = 0
  const connection = async (_: unknown, index: number) => {
    const caller = index % order.tokens.length
    for (;;) {
      const turn = next++
      if (order.perSecond !== undefined) {
        const early = from + (turn * 1000) / order.perSecond - performance.now()
        if (early > 1) await delay(early)
      }
      if (performance.now() >= until) return
      const askedAt = performance.now()
      const status = await ask(order, agents[caller]!, caller, turn)
      if (status === order.mayRefuse) continue
      times.push(performance.now() - askedAt)
      if (status !== order.expect) others[status] = (others[status] ?? 0) + 1
    }
  }
  await Promise.all(Array.from({ length: order.connections }).map(connection))
  const seconds = (performance.now() - from) / 1000
  for (const agent of agents) agent.destroy()
  return {
    answered: times.length,
    perSecond: times.length / seconds,
    p50Ms: percentile(times, 0.5),
    p99Ms: percentile(times, 0.99),
    others,
  }
}

/** The answer's status, once all of it is here; 0 where there is none. */
function ask(
  { hubUrl, method, path, tokens, bodies }: LoadOrder,
  agent: Agent,
  caller: number,
  turn: number,
): Promise<number> {
  const body = bodies[turn % bodies.length]!.replaceAll('"$NOW"', String(Date.now()))
  const headers = {
    authorization: `Bearer ${tokens[caller]}`,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  }
  return new Promise((resolve) => {
    const asked = request(new URL(path, hubUrl), { agent, method, headers }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    })
    asked.on('error', () => resolve(0))
    asked.end(body)
  })
}
