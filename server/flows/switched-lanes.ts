import { isDeepStrictEqual } from 'node:util'
import { CodedError } from '../../common/errors.ts'
import type { StreamClass } from '../../common/wire/stream.ts'
import { MAX_INPUTS, type SwitchRules, switchRulesOf } from '../../common/wire/switched-inputs.ts'
import type { StreamSpec } from '../../sfu/stream.ts'
import type { SwitchedSource } from '../../sfu/switch/switched-source.ts'
import { byPreference } from './lane-inputs.ts'
import type { LivePublisherFlow } from './publisher-flow.ts'

/** What lanes need of the hub's streams. */
export interface LaneStreams {
  /** @throws CodedError `stream_exists` (409), `ports_exhausted` (503) */
  openSwitched(
    spec: StreamSpec,
    options: { readonly inputs: readonly { readonly id: string }[]; readonly rules: SwitchRules },
  ): unknown
  switched(tenantId: string, streamId: string): Pick<SwitchedSource, 'setInputs' | 'setRules'> | undefined
  close(tenantId: string, streamId: string): Promise<void>
}

export interface SwitchedLanesOptions {
  readonly streams: LaneStreams
  /** A switched stream is open. None of these may throw. */
  readonly opened: (lane: SwitchedLane) => void
  /** Its last contract is over: its viewers have seen its last state. */
  readonly closed: (lane: SwitchedLane, reason: 'expired' | 'revoked') => void
}

/** A switched stream that lives by the contracts of its inputs. */
export interface SwitchedLane {
  readonly tenantId: string
  readonly streamId: string
  readonly streamClass: StreamClass
  /** In the order of preference. Never empty. */
  readonly flows: readonly LivePublisherFlow[]
}

/** The switched streams of publishers' contracts: each is open as long as any input of it has a contract. */
export class SwitchedLanes {
  readonly #options: SwitchedLanesOptions
  readonly #lanes = new Map<string, SwitchedLane>()

  constructor(options: SwitchedLanesOptions) {
    this.#options = options
  }

  /** The switched stream of this name; undefined where no contract makes one. */
  find(tenantId: string, streamId: string): SwitchedLane | undefined {
    return this.#lanes.get(`${tenantId}/${streamId}`)
  }

  /**
   * Another input has a contract, or the contract of one changed. The first opens the switched stream.
   * @throws CodedError `stream_exists`, `too_many_inputs` (409), `ports_exhausted` (503)
   */
  add(flow: LivePublisherFlow): void {
    const { tenant_id: tenantId, input, class: streamClass } = flow.contract
    if (!input) return
    const before = this.find(tenantId, input.of)
    const others = before ? without(before.flows, flow) : []
    if (others.length >= MAX_INPUTS)
      throw new CodedError('too_many_inputs', `${input.of} has ${MAX_INPUTS} inputs already`)
    const flows = [...others, flow].toSorted((a, b) => byPreference(a.contract.input!, b.contract.input!))
    const lane = before ? { ...before, flows } : { tenantId, streamId: input.of, streamClass, flows }
    if (before) this.#apply(lane, before)
    else this.#options.streams.openSwitched(lane, { inputs: inputsOf(lane), rules: rulesOf(lane) })
    this.#lanes.set(`${tenantId}/${input.of}`, lane)
    if (!before) this.#options.opened(lane)
  }

  /** A contract is over. The last one takes the switched stream with it. */
  async remove(flow: LivePublisherFlow, reason: 'expired' | 'revoked'): Promise<void> {
    const { tenant_id: tenantId, input } = flow.contract
    const before = input && this.find(tenantId, input.of)
    if (!before) return
    const lane = { ...before, flows: without(before.flows, flow) }
    if (lane.flows.length > 0) {
      this.#lanes.set(`${tenantId}/${input.of}`, lane)
      return this.#apply(lane, before)
    }
    this.#lanes.delete(`${tenantId}/${input.of}`)
    const closed = this.#options.streams.close(tenantId, input.of)
    this.#options.closed(before, reason)
    await closed
  }

  /** Most changes are renewals, of which the switch need not hear. */
  #apply(lane: SwitchedLane, before: SwitchedLane): void {
    const source = this.#options.streams.switched(lane.tenantId, lane.streamId)
    if (!isDeepStrictEqual(inputsOf(lane), inputsOf(before))) source?.setInputs(inputsOf(lane))
    if (!isDeepStrictEqual(rulesOf(lane), rulesOf(before))) source?.setRules(rulesOf(lane))
  }
}

const inputsOf = ({ flows }: SwitchedLane) => flows.map(({ contract }) => ({ id: contract.stream_id }))

/** The rules of the class, where no input fixes others. The first input that fixes any fixes all. */
function rulesOf({ flows, streamClass }: SwitchedLane): SwitchRules {
  const fixed = flows.find(({ input_rules }) => input_rules !== null)?.input_rules
  const said = Object.entries(fixed ?? {}).filter(([, value]) => value !== undefined)
  return { ...switchRulesOf(streamClass), ...Object.fromEntries(said) }
}

function without(flows: readonly LivePublisherFlow[], gone: LivePublisherFlow): LivePublisherFlow[] {
  return flows.filter(({ contract }) => contract.contract_id !== gone.contract.contract_id)
}
