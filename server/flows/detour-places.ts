import { CodedError } from '../../common/errors.ts'
import type { FlowContract } from '../../common/wire/flow-contract.ts'
import { isDetourReason } from '../../policy/detours.ts'
import type { DetourAdmission, DetourHolder, DetourPlace } from '../../signaling/detour/detour-admission.ts'
import type { PublisherFlows } from './publisher-flows.ts'

export interface DetourPlacesOptions {
  readonly flows: Pick<PublisherFlows, 'ofTicket' | 'listen'>
  /** Address that RIST ports listen on. */
  readonly ristIp: string
}

/**
 * The places of detours: one connection for each contract. A newer one takes the place of the one before, which the
 * network may have lost.
 */
export class DetourPlaces implements DetourAdmission {
  readonly #options: DetourPlacesOptions
  readonly #holders = new Map<string, DetourHolder>()

  constructor(options: DetourPlacesOptions) {
    this.#options = options
  }

  admit(ticket: string, holder: DetourHolder): DetourPlace {
    const { flows, ristIp } = this.#options
    const contract = flows.ofTicket(ticket)?.contract
    if (!contract)
      throw new CodedError('unknown_ticket', 'the ticket is unknown or its contract is over: publish again')
    if (contract.transport !== 'rist')
      throw new CodedError('other_transport', `the contract is for ${contract.transport}, not for RIST`)
    if (!offers(contract)) throw refusal(contract)
    const { contract_id, tenant_id, stream_id, endpoints, pacing } = contract
    const before = this.#holders.get(contract_id)
    this.#holders.set(contract_id, holder)
    before?.takenOver()
    const stop = flows.listen(contract_id, (event) => {
      if (event.type === 'ended') holder.contractEnded(event.reason)
      else if (!offers(event.contract)) holder.refused(refusal(event.contract))
    })
    return {
      stream: { tenantId: tenant_id, streamId: stream_id },
      address: ristIp,
      ports: endpoints.map(({ port }) => port),
      kbps: pacing.max_kbps * endpoints.length,
      [Symbol.dispose]: () => {
        stop()
        if (this.#holders.get(contract_id) === holder) this.#holders.delete(contract_id)
      },
    }
  }
}

function offers({ detours }: Pick<FlowContract, 'detours'>): boolean {
  return detours.some(({ via }) => via === 'wss')
}

/** The arithmetic stands among the contract's reasons. */
function refusal({ reasons }: Pick<FlowContract, 'reasons'>): CodedError {
  return new CodedError(
    'detour_refused',
    reasons.find(isDetourReason) ?? 'the contract allows no detour over TCP',
  )
}
