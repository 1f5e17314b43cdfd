import type { TurnFlow, TurnProtocol } from '../../common/wire/turn-ipc.ts'

/** What the allocations of one contract relayed. */
export interface ContractUsage {
  readonly allocations: number
  /** Of the allocation that carries most. */
  readonly protocol: TurnProtocol
  /** Since the allocations began. */
  readonly bytes_to_client: number
  readonly bytes_from_client: number
}

/** Most allocations that are kept in mind; beyond, new ones are left out of statistics. */
const MOST = 10_000

/** The running allocations of the TURN process, by contract. */
export class TurnUsage {
  /** By contract, then by relayed address, which no two running allocations share. */
  readonly #flows = new Map<string, Map<string, TurnFlow>>()
  #count = 0

  note(flows: readonly TurnFlow[]): void {
    for (const flow of flows) {
      const known = this.#flows.get(flow.contract_id)
      if (flow.ended) {
        if (known?.delete(flow.relayed)) this.#count -= 1
        if (known?.size === 0) this.#flows.delete(flow.contract_id)
      } else if (known?.has(flow.relayed)) known.set(flow.relayed, flow)
      else if (this.#count < MOST) {
        this.#flows.set(flow.contract_id, (known ?? new Map()).set(flow.relayed, flow))
        this.#count += 1
      }
    }
  }

  of(contractIds: Iterable<string>): ContractUsage | null {
    const flows = [...contractIds].flatMap((id) => [...(this.#flows.get(id)?.values() ?? [])])
    const [busiest] = flows.toSorted((one, other) => carried(other) - carried(one))
    if (!busiest) return null
    return {
      allocations: flows.length,
      protocol: busiest.protocol,
      bytes_to_client: flows.reduce((sum, { bytes_out }) => sum + bytes_out, 0),
      bytes_from_client: flows.reduce((sum, { bytes_in }) => sum + bytes_in, 0),
    }
  }

  forget(contractId: string): void {
    this.#count -= this.#flows.get(contractId)?.size ?? 0
    this.#flows.delete(contractId)
  }

  clear(): void {
    this.#flows.clear()
    this.#count = 0
  }
}

const carried = ({ bytes_in, bytes_out }: TurnFlow) => bytes_in + bytes_out
