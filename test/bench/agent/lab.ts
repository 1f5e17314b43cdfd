import type { Page } from 'playwright-core'
import { z } from 'zod'
import { DEFAULT_ACL } from '../../../policy/default-acl.ts'
import { Chromium } from '../../support/chromium.ts'
import { FieldLab, type LabSender } from '../../support/field-lab.ts'
import { descendants, programOf } from '../../support/processes.ts'
import { takeShown, watchShown } from '../../support/shown-pictures.ts'
import { until } from '../../support/until.ts'
import { untilState } from '../../support/watch-page.ts'

export const STREAM = 'cam-1'
const NODE = 'van-1'
/** kb/s of media. */
const MEDIA_KBPS = 6000

const queued = z.object({ command_id: z.string() })
const commandState = z.looseObject({ state: z.string() })

/** A hub, an enrolled sender behind three uplinks that sends 6 Mb/s when it is told to, and a viewer of its stream. */
export class AgentLab implements AsyncDisposable {
  readonly lab: FieldLab
  readonly sender: LabSender
  readonly page: Page
  readonly #owned: AsyncDisposableStack

  private constructor(lab: FieldLab, sender: LabSender, page: Page, owned: AsyncDisposableStack) {
    this.lab = lab
    this.sender = sender
    this.page = page
    this.#owned = owned
  }

  static async open(): Promise<AgentLab> {
    await using stack = new AsyncDisposableStack()
    const lab = stack.use(await FieldLab.open())
    const rate = { floor: 600, start: MEDIA_KBPS, ceiling: 8000 }
    const everybody = { actions: ['subscribe' as const, 'stream.read' as const], streams: ['*'] }
    await lab.hub.putPolicy({
      acl: [...DEFAULT_ACL, { name: 'all', effect: 'allow', subjects: ['anonymous'], ...everybody }],
      classes: { director: { video_kbps: rate } },
    })
    const sender = await lab.enrol({ nodeId: NODE })
    await sender.machine.start()
    const config = {
      uplinks: sender.uplinks,
      broadcasts: [
        {
          stream_id: STREAM,
          class: 'director',
          source: { kind: 'test-card' },
          kbps: { min: MEDIA_KBPS, max: MEDIA_KBPS },
        },
      ],
    }
    const put = await lab.hub.api('PUT', `/v1/nodes/${NODE}/config`, config)
    if (put.status >= 300) throw new Error(`the configuration was not taken: ${JSON.stringify(put.body)}`)
    const chromium = stack.use(await Chromium.launch({ flags: ['--ignore-certificate-errors'] }))
    await until(() => isLive(sender), 'the sender is live', 60_000)
    const { page } = await chromium.open(`${lab.hub.url}/watch/${STREAM}`)
    await untilState(page, 'live')
    await watchShown(page)
    return new AgentLab(lab, sender, page, stack.move())
  }

  /** Processes of the agent but its encoder. */
  get pids(): readonly number[] {
    const { pid } = this.sender.machine
    return [pid!, ...descendants(pid!).filter((child) => !isEncoder(child))].filter(
      (one) => programOf(one) !== '',
    )
  }

  /** @throws where it does not run */
  pidOf(program: 'encoder-main' | 'sender-main'): number {
    const found = descendants(this.sender.machine.pid!).find((pid) => programOf(pid).includes(program))
    if (found === undefined) throw new Error(`there is no ${program}`)
    return found
  }

  /** Queues a command and waits until the device has done it. */
  async command(command: object): Promise<void> {
    const { api } = this.lab.hub
    const asked = await api('POST', `/v1/nodes/${NODE}/commands`, { command })
    const { command_id } = queued.parse(asked.body)
    const state = async () =>
      stateOf(commandState.parse((await api('GET', `/v1/nodes/${NODE}/commands/${command_id}`)).body))
    const over = await until(
      async () => {
        const said = await state()
        return said === 'done' || said.startsWith('refused') || said === 'expired' ? said : null
      },
      `${JSON.stringify(command)} is done`,
    )
    if (over !== 'done') throw new Error(`${JSON.stringify(command)}: ${over}`)
  }

  /** The report of the device that the hub has. */
  async report(): Promise<unknown> {
    return (await this.lab.hub.api('GET', `/v1/nodes/${NODE}/report`)).body
  }

  /** When pictures were shown since the last call, Unix ms. */
  async shown(): Promise<readonly number[]> {
    return (await takeShown(this.page)).map(({ at }) => at)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#owned.disposeAsync()
  }
}

export async function isLive({ machine }: LabSender): Promise<boolean> {
  return (await machine.status()).broadcasts[0]?.state === 'live'
}

const isEncoder = (pid: number): boolean => programOf(pid).includes('encoder-main')

const stateOf = ({ state, ...rest }: z.output<typeof commandState>): string =>
  state === 'refused' ? `refused ${JSON.stringify(rest)}` : state
