/** Most slates that are remembered. When there are more, all are forgotten, and may be noted once more. */
const MAX_NOTED = 2000

/** Slates that had to be plain because others had to be made before them, as when a whole site loses its line. */
export class LateSlates {
  readonly #noted = new Set<string>()
  readonly #tenants = new Set<string>()

  /** Notes a slate once: one that is late again stays as it is. */
  note(tenantId: string, name: string, sinceUnixMs: number): void {
    const slate = JSON.stringify([tenantId, name, sinceUnixMs])
    if (this.#noted.has(slate)) return
    if (this.#noted.size >= MAX_NOTED) this.#noted.clear()
    this.#noted.add(slate)
    this.#tenants.add(tenantId)
  }

  /** The tenants of what was noted since the last call. */
  take(): string[] {
    const tenants = [...this.#tenants]
    this.#tenants.clear()
    return tenants
  }
}
