import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { z } from 'zod'
import { CommandMemory } from '../../agent/node/command-memory.ts'
import { type EnrolOptions, enrol } from '../../agent/node/enrolment.ts'
import { NodeChannel } from '../../agent/node/node-channel.ts'
import type { NodeIdentity } from '../../agent/node/node-identity.ts'
import { trustAuthorities } from '../../agent/node/trust-authorities.ts'
import { createLogger } from '../../common/logger.ts'
import { configHash } from '../../common/node-config/config-hash.ts'
import { maskSecrets } from '../../common/node-config/config-secrets.ts'
import type { ActualConfig, DeviceCommand, HubToNode, Outcome } from '../../common/wire/node-protocol.ts'
import type { BroadcastStatus, NodeReport } from '../../common/wire/node-report.ts'
import type { TestHub } from './hub.ts'

/** Lets this process know the CA of a hub that a test started, as an operator's machine would. */
export async function trustHub({ url }: TestHub): Promise<void> {
  const { port } = new URL(url)
  const socket = connect({ host: '127.0.0.1', port: Number(port), rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const issuer = socket.getPeerCertificate(true).issuerCertificate.raw
  socket.destroy()
  trustAuthorities([`-----BEGIN CERTIFICATE-----\n${issuer.toString('base64')}\n-----END CERTIFICATE-----\n`])
}

const issued = z.object({ token: z.string(), authorities: z.array(z.string()).min(1) })

/** Makes a node of a hub that has TLS. @param tenantId null: the hub's own, which it shares with every tenant */
export async function enrolNode(
  hub: TestHub,
  nodeId: string,
  capabilities?: EnrolOptions['capabilities'],
  tenantId: string | null = 'default',
): Promise<NodeIdentity> {
  const wanted = { tenant_id: tenantId ?? undefined, roles: ['sender'], node_id: nodeId }
  const { token, authorities } = issued.parse((await hub.api('POST', '/v1/enrolment-tokens', wanted)).body)
  const told = capabilities && { capabilities }
  return await enrol({ hubUrl: hub.url, token, authorities, ...told }, AbortSignal.timeout(10_000))
}

/** What a device answers; `done` for everything by default. */
export interface DeviceAnswers {
  configure?: (document: HubToNode['configure']) => Promise<Outcome> | Outcome
  command?: (command: DeviceCommand) => Promise<Outcome> | Outcome
}

/** A device that has the real channel, and does whatever it is told without an encoder. */
export class TestDevice implements AsyncDisposable {
  readonly answers: DeviceAnswers = {}
  readonly identity: NodeIdentity
  readonly #folder: string
  report: NodeReport = {}
  broadcasts: BroadcastStatus[] = []
  actual: ActualConfig | null = null
  /** Documents and commands as they came. */
  readonly documents: HubToNode['configure'][] = []
  readonly commands: DeviceCommand[] = []
  #channel: NodeChannel | null = null

  private constructor(identity: NodeIdentity, folder: string) {
    this.identity = identity
    this.#folder = folder
  }

  /** @param capabilities links and transports that it declares; by default those of a field sender */
  static async enrol(
    hub: TestHub,
    nodeId: string,
    capabilities?: EnrolOptions['capabilities'],
    tenantId: string | null = 'default',
  ): Promise<TestDevice> {
    await trustHub(hub)
    const folder = await mkdtemp(join(tmpdir(), 'lanecast-device-'))
    return new TestDevice(await enrolNode(hub, nodeId, capabilities, tenantId), folder)
  }

  get channel(): NodeChannel {
    if (!this.#channel) throw new Error('the device is not connected')
    return this.#channel
  }

  /** Opens the channel; `disconnect` ends it. */
  async connect(): Promise<void> {
    this.#channel = new NodeChannel(
      {
        hubUrl: this.identity.hub_url,
        identity: () => this.identity,
        clock: { read: () => performance.now(), sample: () => {} },
        memory: await CommandMemory.open(join(this.#folder, 'commands.json')),
        logger: createLogger('error'),
      },
      {
        hello: () => ({ actual: this.actual, report: this.report, broadcasts: this.broadcasts }),
        configure: async (document) => {
          this.documents.push(document)
          const outcome = (await this.answers.configure?.(document)) ?? { state: 'done' }
          if (outcome.state === 'done') this.apply(document.version, document.config)
          return outcome
        },
        command: async (command) => {
          this.commands.push(command)
          return (await this.answers.command?.(command)) ?? { state: 'done' }
        },
        sampled: () => {},
        connected: () => {},
        releasesChanged: () => {},
      },
    )
  }

  async disconnect(): Promise<void> {
    await this.#channel?.[Symbol.asyncDispose]()
    this.#channel = null
  }

  apply(version: ActualConfig['version'], config: ActualConfig['config']): void {
    this.actual = { version, hash: configHash(config), applied_at: Date.now(), config: maskSecrets(config) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect()
    await rm(this.#folder, { recursive: true, force: true })
  }
}
