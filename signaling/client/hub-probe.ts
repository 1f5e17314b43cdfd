/** A hub that has not answered for this long is probably not behind the connection any more, ms. */
const ANSWERS_WITHIN_MS = 250

/** A connection on which the hub answers requests. */
export interface ProbedConnection {
  readonly over: boolean
  request(method: 'clock', data: Record<never, never>): Promise<unknown>
}

/**
 * Asks the hub for a sign of life while the path is only suspected to be lost. When it is lost, it is known already
 * whether the connection to the hub is lost with it.
 */
export class HubProbe {
  #probe: { readonly connection: ProbedConnection; readonly at: number; answered: boolean } | null = null

  ask(connection: ProbedConnection | null): void {
    if (connection === null || connection.over) return
    const probe = { connection, at: performance.now(), answered: false }
    this.#probe = probe
    connection.request('clock', {}).then(
      () => {
        probe.answered = true
      },
      () => {},
    )
  }

  /** How long an answer on the connection is worth waiting for, ms. */
  patienceWith(connection: ProbedConnection): number {
    const probe = this.#probe
    if (probe === null || probe.connection !== connection || probe.answered) return ANSWERS_WITHIN_MS
    return Math.max(0, probe.at + ANSWERS_WITHIN_MS - performance.now())
  }
}
