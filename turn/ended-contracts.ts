import { MAX_CREDENTIAL_S } from './credentials.ts'

/** Most that a new process is told of: its first message has 1 MiB at most, and without it there is no relay at all. */
export const MOST_TOLD = 25_000

/** Contracts whose credentials are good for nothing any more, although they may not be expired. They are forgotten then. */
export class EndedContracts {
  readonly #until = new Map<string, number>()

  /** @param nowMs by a steady clock */
  add(contractId: string, nowMs: number): void {
    this.forget(nowMs)
    this.#until.delete(contractId)
    this.#until.set(contractId, nowMs + MAX_CREDENTIAL_S * 1000)
  }

  has(contractId: string): boolean {
    return this.#until.has(contractId)
  }

  /** Ids of those that ended last: their credentials last longest. */
  list(nowMs: number): string[] {
    this.forget(nowMs)
    return [...this.#until.keys()].slice(-MOST_TOLD)
  }

  forget(nowMs: number): void {
    for (const [contractId, until] of this.#until) {
      if (until > nowMs) return
      this.#until.delete(contractId)
    }
  }
}
