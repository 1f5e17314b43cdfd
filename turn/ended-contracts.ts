import { MAX_CREDENTIAL_S } from './credentials.ts'

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

  /** Ids of all that are remembered. */
  list(nowMs: number): string[] {
    this.forget(nowMs)
    return [...this.#until.keys()]
  }

  forget(nowMs: number): void {
    for (const [contractId, until] of this.#until) {
      if (until > nowMs) return
      this.#until.delete(contractId)
    }
  }
}
