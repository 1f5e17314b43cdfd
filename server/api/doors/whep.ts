import { z } from 'zod'
import { CodedError } from '../../../common/errors.ts'
import { refusalCodes } from '../../../common/wire/decision.ts'
import type { PublisherJoin } from '../../../common/wire/flow-contract.ts'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import { streamIdSchema } from '../../../common/wire/stream.ts'
import { readOffer } from '../../../signaling/sdp/offer.ts'
import { MAX_SDP_BYTES } from '../../../signaling/sdp/session-description.ts'
import { type WhepDependencies, WhepViewing } from '../../../signaling/whep/whep-viewing.ts'
import { KeptContract } from '../../flows/kept-contract.ts'
import { type SubscribeDependencies, subscribe } from '../../flows/subscribe.ts'
import { SESSION_CREDENTIAL_S } from '../../relays/contract-relays.ts'
import { defineRoute, type Route, type RouteContext } from '../route.ts'
import { doorRefusal, refuseAtDoor, SESSION_HEADERS, sessionMade } from './answers.ts'
import { preflightRoutes } from './door-cors.ts'
import { type SessionRouteDependencies, sessionRoutes } from './sessions.ts'

export interface WhepRouteDependencies extends SessionRouteDependencies {
  readonly flows: SubscribeDependencies
  readonly whep: WhepDependencies
}

/** The contract by which a WHEP client watches. */
interface Granted extends Disposable {
  readonly ticket: string
  readonly iceServers: PublisherJoin['ice_servers']
  /** From now on, renews the contract of the media that plays. */
  readonly keep: (media: WhepViewing) => void
}

/** Watching by WHEP, draft-ietf-wish-whep. */
export function whepRoutes(deps: WhepRouteDependencies): Route[] {
  return [postOffer(deps), ...sessionRoutes('whep', deps), ...preflightRoutes('whep')]
}

function postOffer(deps: WhepRouteDependencies): Route {
  const { sessions, tickets, whep } = deps
  return defineRoute({
    method: 'post',
    path: '/whep/{stream_id}',
    summary: 'Watch a stream by WHEP',
    description:
      'Answers the offer of a WHEP client by the same contract that POST /v1/subscribe grants. The bearer token is any ' +
      'that may watch the stream, or the ticket of a contract; streams that are open to everybody need none. ' +
      '`stream_not_live` comes with `Retry-After`.',
    action: null,
    identifies: true,
    admits: 'subscribe',
    admit: (asking, { params: { stream_id } }) => {
      const ticket = tickets.of(asking.principal)
      const granted = ticket === undefined ? undefined : deps.flows.viewers.ofTicket(ticket)
      const brought = ticket === undefined ? undefined : { streamId: granted?.streamId }
      refuseAtDoor(asking, { action: 'subscribe', streamId: stream_id }, brought)
    },
    anyOrigin: true,
    cost: 'decide',
    params: z.strictObject({ stream_id: streamIdSchema }),
    query: z.strictObject({
      tenant_id: tenantIdSchema.optional(),
      max_kbps: z.number().int().min(50).max(200_000).optional(),
    }),
    body: z.string(),
    bodyTypes: ['application/sdp'],
    maxBodyBytes: MAX_SDP_BYTES,
    answer: { status: 201, type: 'application/sdp', headers: SESSION_HEADERS },
    errors: [
      ...refusalCodes,
      'bad_sdp',
      'unauthenticated',
      'unknown_ticket',
      'denied',
      'no_common_codec',
      'stream_not_live',
      'ticket_in_use',
      'gone',
      'no_worker',
    ],
    handle: async ({ principal, tenantId, fromPage, address }, { params: { stream_id }, query, body }) => {
      const offer = readOffer(body)
      const client = { offer, followsPayloadTypes: fromPage }
      let sdp = ''
      let iceServers: Granted['iceServers'] = []
      const session = await sessions.open(tickets.isAnonymous(principal), async (over) => {
        try {
          const granted = await grant(deps, { principal, tenantId, address }, stream_id, query.max_kbps)
          try {
            const { media, answer } = await WhepViewing.open(whep, granted.ticket, client, over)
            granted.keep(media)
            ;[sdp, iceServers] = [answer, granted.iceServers]
            return {
              door: 'whep',
              streamId: stream_id,
              offer,
              media,
              owner: tickets.ownerOf(principal),
              anonymous: tickets.isAnonymous(principal),
              left: async () => {},
              restarted: () =>
                whep.events.iceRestarted({ tenantId: media.tenantId, streamId: stream_id }, { of: 'whep' }),
              ended: () => granted[Symbol.dispose](),
            } as const
          } catch (error) {
            granted[Symbol.dispose]()
            throw error
          }
        } catch (error) {
          throw doorRefusal(error, principal)
        }
      })
      return sessionMade(session, sdp, iceServers)
    },
  })
}

/** The contract of the client's ticket, or a contract that is granted, renewed and ended for the client's token. */
async function grant(
  { tickets, flows }: WhepRouteDependencies,
  { principal, tenantId, address }: Pick<RouteContext, 'principal' | 'tenantId' | 'address'>,
  streamId: string,
  maxKbps: number | undefined,
): Promise<Granted> {
  const { viewers } = flows
  const brought = tickets.of(principal)
  if (brought !== undefined) {
    const flow = viewers.ofTicket(brought)
    if (flow?.streamId !== streamId)
      throw new CodedError('denied', 'the ticket is for another stream', { rule: 'ticket' })
    const { ice_servers: iceServers } = viewers.ice(flow.contractId, SESSION_CREDENTIAL_S)
    return { ticket: brought, iceServers, keep() {}, [Symbol.dispose]() {} }
  }
  const request = {
    stream_id: streamId,
    ...(maxKbps === undefined ? {} : { preference: { max_kbps: maxKbps } }),
  }
  const ask = () => subscribe(flows, principal, tenantId, request, address)
  const first = await ask()
  let contractId = first.contract_id
  let kept: KeptContract | undefined
  return {
    ticket: first.join.webrtc.ticket,
    iceServers: viewers.ice(contractId, SESSION_CREDENTIAL_S).ice_servers,
    keep(media) {
      const renew = async () => {
        const next = await ask()
        media.renew(next.join.webrtc.ticket)
        viewers.end(contractId, 'expired')
        contractId = next.contract_id
        return next.expires_at
      }
      kept = new KeptContract(first.expires_at, renew)
    },
    [Symbol.dispose]() {
      kept?.[Symbol.dispose]()
      viewers.end(contractId, 'revoked')
    },
  }
}
