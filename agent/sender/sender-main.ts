import { CodedError, messageOf } from '../../common/errors.ts'
import type { RistLogLine } from '../../common/rist/log-channel.ts'
import { Parent } from '../../common/supervision/parent.ts'
import { TokenBucket } from '../../common/token-bucket.ts'
import { BondKeeper } from '../bond/bond-keeper.ts'
import type { TlsIdentity } from '../node/tls-identity.ts'
import { trustAuthorities } from '../node/trust-authorities.ts'
import { ContractSender } from './contract-sender.ts'
import { paceSockets } from './kernel-pacing.ts'
import { useOf } from './link-use.ts'
import { type SenderCommand, type SenderReport, senderCommandSchema } from './sender-protocol.ts'
import { FrameReader } from './ts-frames.ts'

/** The sender process: media that comes on standard input leaves by librist, by the contract that it was told. */

/** How often the process gives a sign of life, ms. */
const ALIVE_EVERY_MS = 500
/** librist may write a line for each packet that a link does not take. */
const PROBLEMS = { perMs: 1 / 1000, burst: 20 }

let sender: ContractSender | null = null
let identity: TlsIdentity | null = null
let bond: BondKeeper | null = null
/** The rate at which the kernel spreads packets, kb/s; null where it does not. */
let pacedKbps: number | null = null
const problems = new TokenBucket(PROBLEMS.perMs, PROBLEMS.burst, performance.now())

const parent = Parent.connect<SenderReport, SenderCommand>({
  told: senderCommandSchema,
  hear: (command) => {
    switch (command.type) {
      case 'start':
        know(command.identity)
        sender = open(command)
        bond = bondOf(sender)
        return
      case 'identity':
        return know(command.identity)
      case 'contract':
        bond?.contract(command.contract, command.links)
        return answer(command.number, () => apply(command))
      case 'stop':
        bond?.contract(null)
        return answer(command.number, () => present().stop())
      case 'settings':
        return bond?.settings(command.settings)
      case 'arrivals':
        return bond?.arrived(command.arrivals)
    }
  },
  stop: async () => {
    bond?.[Symbol.dispose]()
    await sender?.[Symbol.asyncDispose]()
  },
})
const frames = new FrameReader((frame) => sender?.write(frame))
process.stdin.on('data', (chunk: Buffer) => frames.push(chunk))
process.stdin.on('error', () => {}) // The channel tells that the parent has ended.
setInterval(() => {
  parent.tell({ type: 'alive', waiting_ms: sender?.waitingMs ?? 0, late: sender?.late ?? 0 })
}, ALIVE_EVERY_MS)
parent.tell({ type: 'ready' })

function know(told: TlsIdentity | null): void {
  identity = told
  if (told) trustAuthorities(told.authorities)
}

function present(): ContractSender {
  if (!sender) throw new Error('the parent told no start')
  return sender
}

async function apply({ contract, links }: SenderCommand & { type: 'contract' }): Promise<void> {
  await present().apply(contract, links)
  const { by, max_kbps } = contract.pacing
  const before = pacedKbps
  pacedKbps = by === 'fq' ? max_kbps : null
  if (pacedKbps !== before) paceSockets(pacedKbps)
}

function open({ hub_url, null_packet_deletion }: SenderCommand & { type: 'start' }): ContractSender {
  return new ContractSender({
    hubUrl: hub_url,
    identity: () => identity ?? undefined,
    nullPacketDeletion: null_packet_deletion,
    onStats: (stats) => parent.tell({ type: 'stats', ...stats }),
    onWays: (ways) => parent.tell({ type: 'ways', ways: [...ways] }),
    onCarries: (carries) => parent.tell({ type: 'carries', carries }),
    onDetourFailed: (via, why) => parent.tell({ type: 'detour_failed', via, why }),
    onLog,
  })
}

/** Weights and bitrate follow the links. */
function bondOf(of: ContractSender): BondKeeper {
  return new BondKeeper({ sender: of, useOf, onReport: (report) => parent.tell({ type: 'bond', report }) })
}

/** librist tells by a line of its log that a link has authenticated. */
function onLog({ level, message }: RistLogLine): void {
  if (message.includes('receiver name is now')) {
    // It may be a new socket.
    if (pacedKbps !== null) paceSockets(pacedKbps)
    parent.tell({ type: 'authenticated' })
  } else if (level === 'error' && problems.take(1, performance.now()))
    parent.tell({ type: 'problem', line: message })
}

function answer(number: number, work: () => Promise<void>): void {
  work().then(
    () => parent.tell({ type: 'done', number }),
    (thrown: unknown) => {
      const code = thrown instanceof CodedError ? thrown.code : 'rist_sender_failed'
      parent.tell({ type: 'refused', number, code, reason: messageOf(thrown) })
    },
  )
}
