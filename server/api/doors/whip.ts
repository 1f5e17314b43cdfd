import type { types } from 'mediasoup'
import { z } from 'zod'
import { CodedError } from '../../../common/errors.ts'
import { refusalCodes } from '../../../common/wire/decision.ts'
import type { FlowContract } from '../../../common/wire/flow-contract.ts'
import type { PublishRequest } from '../../../common/wire/flows-api.ts'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import { streamClassSchema, streamIdSchema } from '../../../common/wire/stream.ts'
import { INPUT_ROLES, MAX_INPUTS } from '../../../common/wire/switched-inputs.ts'
import { type Offer, readOffer } from '../../../signaling/sdp/offer.ts'
import { onlyVideo, type PublishedTrack, publishedTracks } from '../../../signaling/sdp/published-tracks.ts'
import { MAX_SDP_BYTES } from '../../../signaling/sdp/session-description.ts'
import { type WhipDependencies, WhipPublishing } from '../../../signaling/whip/whip-publishing.ts'
import { type AuthenticatedPrincipal, actorOf } from '../../auth/principal.ts'
import { KeptContract } from '../../flows/kept-contract.ts'
import { type PublishDependencies, publish } from '../../flows/publish.ts'
import { publishedInput } from '../../flows/published-input.ts'
import { ownerOf } from '../../flows/publisher-flow.ts'
import { taken } from '../../flows/publisher-places.ts'
import { SESSION_CREDENTIAL_S } from '../../relays/contract-relays.ts'
import { defineRoute, type Route } from '../route.ts'
import { doorRefusal, refuseAtDoor, SESSION_HEADERS, sessionMade } from './answers.ts'
import { preflightRoutes } from './door-cors.ts'
import { type SessionRouteDependencies, sessionRoutes } from './sessions.ts'

export interface WhipRouteDependencies extends SessionRouteDependencies {
  readonly flows: PublishDependencies
  readonly whip: WhipDependencies
  /** Whether somebody publishes by this contract now and does not give way. */
  readonly isTaken: (contractId: string) => boolean
  readonly routerCapabilities: () => types.RtpCapabilities
  readonly onError: (error: unknown) => void
}

/** The contract by which a WHIP client publishes. */
interface Granted extends Disposable {
  readonly contract: FlowContract
  /** The client is done, or its media could not be taken: ends the contract. */
  readonly release: () => Promise<void>
}

/** Publishing by WHIP, RFC 9725. */
export function whipRoutes(deps: WhipRouteDependencies): Route[] {
  return [postOffer(deps), ...sessionRoutes('whip', deps), ...preflightRoutes('whip')]
}

function postOffer(deps: WhipRouteDependencies): Route {
  const { sessions, tickets, whip, routerCapabilities } = deps
  return defineRoute({
    method: 'post',
    path: '/whip/{stream_id}',
    summary: 'Publish a stream by WHIP',
    description:
      'Takes the offer of a WHIP client (RFC 9725) by the same contract that POST /v1/publish grants, and answers it. ' +
      'The bearer token is any that may publish the stream, or the ticket of a contract for WebRTC.',
    action: null,
    identifies: true,
    admits: 'publish',
    admit: (asking, { params: { stream_id } }) => {
      const ticket = tickets.of(asking.principal)
      const granted = ticket === undefined ? undefined : deps.flows.publishers.ofTicket(ticket)
      const brought = ticket === undefined ? undefined : { streamId: granted?.contract.stream_id }
      refuseAtDoor(asking, { action: 'publish', streamId: stream_id }, brought)
    },
    anyOrigin: true,
    cost: 'decide',
    params: z.strictObject({ stream_id: streamIdSchema }),
    query: z.strictObject({
      class: streamClassSchema.default('director'),
      tenant_id: tenantIdSchema.optional(),
      /** Makes the client one of several publishers of the stream, as `input` of POST /v1/publish does. */
      input: z.enum(INPUT_ROLES).optional(),
      priority: z.coerce.number().int().min(1).max(MAX_INPUTS).default(1),
    }),
    body: z.string(),
    bodyTypes: ['application/sdp'],
    maxBodyBytes: MAX_SDP_BYTES,
    answer: { status: 201, type: 'application/sdp', headers: SESSION_HEADERS },
    errors: [
      ...refusalCodes,
      'bad_sdp',
      'bad_rtp_parameters',
      'unauthenticated',
      'unknown_ticket',
      'denied',
      'no_common_codec',
      'stream_taken',
      'stream_exists',
      'stream_not_switched',
      'bad_stream_id',
      'too_many_inputs',
      'other_transport',
      'contract_ended',
      'gone',
      'stream_ended',
      'layers_not_supported',
      'too_many_tracks',
      'too_many_layers',
      'no_worker',
    ],
    handle: async ({ principal, tenantId }, { params: { stream_id }, query, body }) => {
      const offer = readOffer(body)
      const tracks = publishedTracks(offer, routerCapabilities(), stream_id)
      let sdp = ''
      let iceServers: FlowContract['join']['ice_servers'] = []
      const session = await sessions.open(tickets.isAnonymous(principal), async (over) => {
        const { class: streamClass, input: role, priority } = query
        const request = {
          stream_id,
          class: streamClass,
          preferred_transports: ['webrtc' as const],
          ...(role && { input: { role, priority } }),
        }
        const granted = await grant(deps, principal, tenantId, request).catch((error) => {
          throw doorRefusal(error, principal)
        })
        const { contract } = granted
        try {
          const taken = inCodecOf(contract, offer, tracks, routerCapabilities())
          const { media, answer } = await WhipPublishing.open(whip, contract.join.ticket, offer, taken, over)
          ;[sdp, iceServers] = [answer, contract.join.ice_servers]
          return {
            door: 'whip',
            streamId: stream_id,
            offer,
            media,
            owner: tickets.ownerOf(principal),
            anonymous: tickets.isAnonymous(principal),
            left: granted.release,
            restarted: () =>
              whip.events.iceRestarted(
                { tenantId: contract.tenant_id, streamId: contract.stream_id },
                { of: 'whip' },
              ),
            ended: () => granted[Symbol.dispose](),
          } as const
        } catch (error) {
          granted[Symbol.dispose]()
          // A contract that was renewed before is in use elsewhere.
          if (contract.version === 1) await granted.release()
          throw error
        }
      })
      return sessionMade(session, sdp, iceServers)
    },
  })
}

/**
 * The tracks in the codec that the contract asks for.
 * @throws CodedError `no_common_codec` (406) where an input of a switched stream offers no H.264
 */
function inCodecOf(
  { input, video_codec, stream_id }: FlowContract,
  offer: Offer,
  tracks: PublishedTrack[],
  capabilities: types.RtpCapabilities,
): PublishedTrack[] {
  if (video_codec === undefined) return tracks
  try {
    return publishedTracks(offer, onlyVideo(capabilities, video_codec), stream_id)
  } catch (error) {
    // An input of a program may have viewers of its own, whatever its codec; then the program leaves it out.
    if (!input) return tracks
    if (!(error instanceof CodedError) || error.code !== 'no_common_codec') throw error
    const why = 'inputs of a switched stream are H.264, and the offer has no H.264 that the hub forwards'
    throw new CodedError('no_common_codec', why, { details: error.details })
  }
}

/** The contract of the client's ticket, or a contract that is granted and renewed for the client's token. */
async function grant(
  { tickets, flows, whip, isTaken, onError }: WhipRouteDependencies,
  principal: AuthenticatedPrincipal,
  tenantId: string,
  request: PublishRequest,
): Promise<Granted> {
  const { publishers } = flows
  const ticket = tickets.of(principal)
  if (ticket !== undefined) {
    const flow = publishers.ofTicket(ticket)
    if (flow?.contract.stream_id !== request.stream_id)
      throw new CodedError('denied', 'the ticket is for another stream', { rule: 'ticket' })
    return {
      contract: publishers.contractOf(flow, SESSION_CREDENTIAL_S),
      release: async () => {},
      [Symbol.dispose]() {},
    }
  }
  const { streamId } = publishedInput(flows, tenantId, request)
  const running = publishers.ofStream(tenantId, streamId)
  // This is before the running publisher's contract is renewed, so that a refusal changes nothing.
  if (running?.owner === ownerOf(principal)) {
    await whip.admission.look(running.ticket, null)
    if (isTaken(running.contract.contract_id)) throw taken(streamId)
  }
  const granted = await publish(flows, principal, tenantId, request)
  const flow = publishers.get(granted.contract_id)
  const contract = flow ? publishers.contractOf(flow, SESSION_CREDENTIAL_S) : granted
  const kept = new KeptContract(
    contract.expires_at,
    async () => (await publish(flows, principal, tenantId, request)).expires_at,
  )
  return {
    contract,
    release: async () => {
      const { contract_id } = contract
      await publishers
        .end(contract_id, 'revoked', actorOf(principal), 'its WHIP session ended')
        .catch(onError)
    },
    [Symbol.dispose]: () => kept[Symbol.dispose](),
  }
}
