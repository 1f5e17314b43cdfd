import { type ContractEnd, ContractKeeper } from '../../agent/contract/contract-keeper.ts'
import type { Encoder, EncoderDemand } from '../../agent/encoder/encoder.ts'
import { HubClient, type HubRefusal } from '../../agent/node/hub-client.ts'
import {
  BondedSender,
  type BondedSenderOptions,
  type SenderLinkStats,
} from '../../agent/sender/bonded-sender.ts'
import { ContractSender, type ContractSenderOptions } from '../../agent/sender/contract-sender.ts'
import { captureTimeOfWallClockPts, TsStamper } from '../../agent/ts-stamper.ts'
import { CodedError, messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import type { RistLogLine } from '../../common/rist/log-channel.ts'
import type { Via } from '../../common/wire/flow-contract.ts'
import type { WayReport } from '../../common/wire/publisher-protocol.ts'
import type { StreamClass } from '../../common/wire/stream.ts'
import type { LaneInput } from '../../common/wire/switched-inputs.ts'

/** The stream to send, and the hub that is asked for a contract, which says the rest. */
export interface ContractWay {
  readonly hubUrl: string
  readonly token: string
  readonly streamId: string
  readonly streamClass: StreamClass
  /** Which of several senders of the stream this is; left out where it is the only one. */
  readonly input?: LaneInput
}

/** Address and secrets, for hubs and receivers with the same values. */
export type FixedWay = Omit<BondedSenderOptions, 'onStats' | 'onLog' | 'nullPacketDeletion'>

/** What an agent tells about its work. */
export interface AgentEvents {
  /** The first link has authenticated, and carries packets. Once. */
  readonly sending: () => void
  /** Each second, once per link. */
  readonly stats: (stats: SenderLinkStats & { readonly via?: Via }) => void
  /** The way of each link, by its index among the contract's endpoints, whenever one changes. */
  readonly ways?: (ways: ReadonlyMap<number, Via>) => void
  /** It sends by this version of this contract. */
  readonly contract: (contract: { readonly contract_id: string; readonly version: number }) => void
  readonly contractEnded: (reason: ContractEnd) => void
  /** The hub refuses, or does not answer; it is asked again. */
  readonly refused: (error: HubRefusal) => void
  /** What anybody watches, as the hub says; everything while the hub says nothing. */
  readonly demanded: (demand: EncoderDemand) => void
}

export interface AgentOptions {
  readonly way: ContractWay | FixedWay
  /** Leaves out MPEG-TS null packets; the receiver puts them back. */
  readonly nullPacketDeletion: boolean
  /** Starts the encoder. Its MPEG-TS, cut anywhere, goes to `onData`. */
  readonly startEncoder: (onData: (chunk: Buffer) => void) => Promise<Encoder>
  readonly events: AgentEvents
  readonly logger: Logger
}

/** A running field sender. */
export interface Agent extends AsyncDisposable {
  /** Changes a link's share of the packets, as `BondedSender` does. @throws CodedError `rist_weight_invalid` */
  setWeight(link: number, weight: number): Promise<void>
}

/**
 * Starts a field sender: what the encoder makes is stamped with capture times and sent over bonded, encrypted RIST, by a
 * contract that it keeps with a hub, or to fixed addresses.
 */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { way, nullPacketDeletion, startEncoder, events, logger } = options
  await using stack = new AsyncDisposableStack()
  let encoder: Encoder | null = null
  let keeper: ContractKeeper | null = null
  const told = {
    nullPacketDeletion,
    onStats: events.stats,
    // The receiver has heard nothing before: with a long GOP it would wait for its first picture.
    onLog: authenticationWatch(logger, events.sending, () => encoder?.requestKeyframe?.(null)),
  }
  const sender = stack.use(
    'hubUrl' in way
      ? contractSender(way, told, options, (ways) => keeper?.tellWays(ways))
      : await BondedSender.open({ ...way, ...told }),
  )
  const stamper = new TsStamper({
    captureUnixMs: (pts) => captureTimeOfWallClockPts(pts, Date.now()),
    onPackets: (packets) => sender.write(packets),
  })
  encoder = stack.use(await startEncoder((chunk) => stamper.push(chunk)))
  if ('hubUrl' in way && sender instanceof ContractSender)
    keeper = stack.use(keepContract(way, sender, encoder, options))
  const running = stack.move()
  return {
    async setWeight(link, weight) {
      if (sender instanceof ContractSender)
        throw new CodedError('rist_weight_invalid', 'the contract says the weights of the links')
      await sender.setWeight(link, weight)
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

function contractSender(
  { hubUrl }: ContractWay,
  told: Pick<ContractSenderOptions, 'onStats' | 'onLog' | 'nullPacketDeletion'>,
  { events, logger }: AgentOptions,
  tellWays: (ways: WayReport) => void,
): ContractSender {
  return new ContractSender({
    ...told,
    hubUrl,
    onWays: (ways) => {
      logger.info({ ways: Object.fromEntries(ways) }, 'ways of the links')
      events.ways?.(ways)
      tellWays({ ways: [...ways].map(([endpoint, via]) => ({ endpoint, via })) })
    },
    onDetourFailed: (via, why) => logger.warn({ via, why }, 'no detour now'),
  })
}

/** librist tells by a line of its log that a link has authenticated. */
function authenticationWatch(
  logger: Logger,
  sending: () => void,
  authenticated: () => void,
): (line: RistLogLine) => void {
  let known = false
  return ({ level, message }) => {
    logger.debug({ librist: message }, 'librist')
    if (level === 'error') logger.warn({ librist: message }, 'librist reports a problem')
    if (!message.includes('receiver name is now')) return
    authenticated()
    if (known) return
    known = true
    logger.info('sending')
    sending()
  }
}

/** Sends by contract as long as the hub grants one: over its links, at its bitrate. */
function keepContract(
  { hubUrl, token, streamId, streamClass, input }: ContractWay,
  sender: ContractSender,
  encoder: Encoder,
  { events, logger }: AgentOptions,
): ContractKeeper {
  const client = new HubClient({ hubUrl, token })
  return new ContractKeeper(
    client,
    { stream_id: streamId, class: streamClass, ...(input && { input }) },
    {
      granted: (contract) => {
        const { contract_id, version } = contract
        logger.info({ contract_id, version }, 'contract')
        encoder.setTarget(contract.pacing.target_kbps)
        sender.apply(contract).then(
          () => events.contract({ contract_id, version }),
          (thrown: unknown) => logger.error({ reason: messageOf(thrown) }, 'contract can not be kept'),
        )
      },
      ended: (reason) => {
        logger.warn({ reason }, 'contract ended')
        sender.stop().then(
          () => events.contractEnded(reason),
          (thrown: unknown) => logger.error({ reason: messageOf(thrown) }, 'sender did not stop'),
        )
      },
      ...(encoder.requestKeyframe && {
        keyframeRequested: (rendition) => encoder.requestKeyframe?.(rendition),
      }),
      demanded: (demand) => {
        encoder.setDemand(demand)
        events.demanded(demand)
      },
      refused: (error, again_ms) => {
        const { code, message } = error
        logger.warn({ code, reason: message, again_ms: Math.round(again_ms) }, 'no answer from the hub')
        events.refused(error)
      },
    },
  )
}
