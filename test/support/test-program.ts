import { z } from 'zod'
import type { TestHub } from './hub.ts'
import { until } from './until.ts'

const statusSchema = z.looseObject({
  on_air: z.string().nullable(),
  slate: z.boolean(),
  state: z.string(),
  switches: z.number(),
  merged: z.array(z.string()),
  sources: z.array(z.looseObject({ id: z.string(), state: z.string(), renditions: z.number() })),
})
export type ProgramStatus = z.infer<typeof statusSchema>

export interface TestProgramOptions {
  readonly program_id: string
  readonly inputs: readonly string[]
  readonly class?: 'focus' | 'director' | 'record' | 'bulk'
  /** The best healthy input is on air, in this order. */
  readonly auto?: boolean
  readonly audio?: 'follow' | 'hold'
  readonly return_after_ms?: number | null
  readonly frozen_ms?: number | null
  readonly threshold_ms?: number
}

/** A program of a test hub, as the hub's admin has it. */
export class TestProgram {
  readonly id: string
  readonly #hub: TestHub

  private constructor(hub: TestHub, id: string) {
    this.#hub = hub
    this.id = id
  }

  /** @throws with the hub's answer where it refuses */
  static async create(hub: TestHub, options: TestProgramOptions): Promise<TestProgram> {
    const { status, body } = await hub.api('POST', '/v1/programs', options)
    if (status !== 201) throw new Error(`the hub refused a program: ${status} ${JSON.stringify(body)}`)
    return new TestProgram(hub, options.program_id)
  }

  async status(): Promise<ProgramStatus> {
    return statusSchema.parse((await this.#hub.api('GET', `/v1/programs/${this.id}`)).body)
  }

  /** Puts an input on air; resolves when it is. @throws where the hub refuses */
  async take(input: string): Promise<void> {
    const { status, body } = await this.tryTake(input)
    if (status !== 200) throw new Error(`the take of ${input}: ${status} ${JSON.stringify(body)}`)
  }

  tryTake(input: string) {
    return this.#hub.api('POST', `/v1/programs/${this.id}/take`, { input })
  }

  /** Arms an input, or none. @throws where the hub refuses */
  async preview(input: string | null): Promise<void> {
    const { status, body } = await this.#hub.api('POST', `/v1/programs/${this.id}/preview`, { input })
    if (status !== 200) throw new Error(`the preview of ${input}: ${status} ${JSON.stringify(body)}`)
  }

  /** Whether the best healthy input is on air from now on. @throws where the hub refuses */
  async auto(auto: boolean): Promise<void> {
    const { status, body } = await this.#hub.api('POST', `/v1/programs/${this.id}/auto`, { auto })
    if (status !== 200) throw new Error(`auto ${auto}: ${status} ${JSON.stringify(body)}`)
  }

  /** Takes an input as soon as it can be taken. */
  async takeWhenHealthy(input: string): Promise<void> {
    const isHealthy = ({ sources }: ProgramStatus) =>
      sources.some(({ id, state }) => id === input && state === 'healthy')
    await this.until(isHealthy, `${input} is healthy`)
    await this.take(input)
  }

  /** Waits until such a state is told. */
  async until(
    is: (status: ProgramStatus) => boolean,
    what: string,
    withinMs?: number,
  ): Promise<ProgramStatus> {
    return until(
      async () => {
        const status = await this.status()
        return is(status) && status
      },
      `${this.id}: ${what}`,
      withinMs,
    ).then((status) => status as ProgramStatus)
  }

  onAir(input: string, withinMs?: number): Promise<ProgramStatus> {
    return this.until(({ on_air }) => on_air === input, `${input} is on air`, withinMs)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#hub.api('DELETE', `/v1/programs/${this.id}`)
  }
}
