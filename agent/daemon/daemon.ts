import { join } from 'node:path'
import { ClockWatch } from '../../common/clock.ts'
import { CodedError, messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import type { BroadcastStatus, NodeReport } from '../../common/wire/node-report.ts'
import { Backlog } from '../backlog/backlog.ts'
import { spareKbps } from '../backlog/spare-rate.ts'
import { takeUpAtStart } from '../config/config-file.ts'
import { ConfigKeeper } from '../config/config-keeper.ts'
import { UncleanStarts } from '../config/unclean-starts.ts'
import { DeviceWatch } from '../hardware/device-watch.ts'
import { kernelClock } from '../hardware/kernel-clock.ts'
import { CertificateKeeper } from '../node/certificate-keeper.ts'
import { CommandMemory } from '../node/command-memory.ts'
import { HubClock } from '../node/hub-clock.ts'
import { NodeChannel } from '../node/node-channel.ts'
import { loadIdentity, type NodeIdentity, saveIdentity } from '../node/node-identity.ts'
import { Routes } from '../routes/routes.ts'
import { Updates } from '../update/updates.ts'
import { agentVersion } from '../update/version.ts'
import type { UpdateOrder } from '../update/wanted-release.ts'
import type { AgentStatus } from './agent-status.ts'
import { Broadcasts } from './broadcasts.ts'
import { carryOut } from './device-commands.ts'
import { LocalDoor } from './local-door.ts'
import type { StateFolder } from './state-folder.ts'
import { StatusNews } from './status-news.ts'
import { UplinksFirst } from './uplinks-first.ts'

/** A larger step of the machine's clock makes encoders begin anew, ms: their pictures are timed by it. */
const CLOCK_STEP_MS = 500

/** Contracts wait no longer than this for the hub to hear what links the device has, ms. */
const INTRODUCED_WITHIN_MS = 10_000

export interface DaemonOptions {
  readonly state: StateFolder
  /** A document for a device that the hub has not configured: TOML, or JSON where its name ends so. */
  readonly configFile?: string
  /** Ends the agent, which is started again by another release of itself. */
  readonly again: () => void
  readonly logger: Logger
}

/** A running agent. */
export interface Daemon extends AsyncDisposable {
  readonly status: AgentStatus
}

/**
 * Puts the agent together, last opened first closed. A hub that is away, a camera that is missing and a link without a
 * bearer are no errors here: each part tries again by itself.
 * @throws CodedError `not_enrolled`, `identity_unreadable`, `agent_running`, `cannot_listen`
 */
export async function openDaemon({ state, configFile, again, logger }: DaemonOptions): Promise<Daemon> {
  await using stack = new AsyncDisposableStack()
  const identity = await loadIdentity(state.identity)
  if (!identity)
    throw new CodedError('not_enrolled', `there is no identity in ${state.folder}`, {
      details: ['enrol this machine first: lanecast-agent enrol URL TOKEN'],
    })
  const program = await agentVersion()
  const room = (name: string): Logger => logger.child({ room: name })
  const clock = new HubClock()
  const present = stack.use(keepIdentity(identity, { state, clock, logger: room('identity') }))
  const hub = { hubUrl: identity.hub_url, identity: () => present.identity, clock }
  let device: DeviceWatch | null = null
  let channel: NodeChannel | null = null
  let updates: Updates | null = null
  const report = (): NodeReport => ({
    ...device?.report,
    ...clockSection(clock),
    ...(updates && { update: updates.state }),
  })
  const routes = stack.use(await Routes.open({ hubUrl: hub.hubUrl, logger: room('routes') }))
  const backlog = stack.use(
    await Backlog.open({
      folder: state.backlog,
      mostMb: () => config.config.backlog_mb,
      hub,
      spareKbps: () => spareKbps(broadcasts.liveFacts()),
      logger: room('backlog'),
    }),
  )
  const introduced = Promise.withResolvers<void>()
  const broadcasts: Broadcasts = stack.use(
    new Broadcasts({
      hub,
      routes,
      introduced: introduced.promise,
      backlog,
      report,
      logger: room('broadcast'),
      changed: () => broadcastsChanged(),
    }),
  )
  const broadcastsChanged = () => {
    news.changed()
    updates?.broadcastsChanged()
  }
  const news = stack.use(
    new StatusNews({
      status: () => broadcasts.status(),
      tell: (all) => channel?.tellBroadcasts(all),
    }),
  )
  stack.use(
    new ClockWatch((ms) => {
      if (Math.abs(ms) < CLOCK_STEP_MS) return
      logger.warn({ ms }, 'the clock of the machine was set; encoders begin anew')
      broadcasts.restartEncoders()
    }),
  )
  const uplinksFirst = new UplinksFirst({
    target: broadcasts,
    present: () => config.config,
    look: async () => device?.reconfigured(),
    online: () => channel?.live ?? false,
  })
  const config: ConfigKeeper = stack.use(
    await ConfigKeeper.open({
      folder: state.config,
      // Versions of another hub, or of another node, count for nothing here.
      hub: `${identity.hub_url} ${identity.node_id}`,
      target: uplinksFirst,
      device: report,
      changed: () => {
        void device?.reconfigured()
        if (config.actual) channel?.tellActual(config.actual)
      },
      logger: room('config'),
    }),
  )
  device = stack.use(
    await DeviceWatch.open({
      logger: room('device'),
      config: () => uplinksFirst.config,
      onChange: (sections) => {
        if (sections.interfaces) routes.interfaces(sections.interfaces)
        if (sections.interfaces || sections.inputs || sections.encoders) broadcasts.deviceChanged()
        channel?.tellReport(sections)
      },
      disk: state.folder,
      inUse: () => broadcasts.status().flatMap(({ encoder }) => encoder ?? []),
      version: program.version,
    }),
  )
  routes.interfaces(device.report.interfaces ?? [])
  const updating = stack.use(
    await Updates.open({
      hub,
      program,
      pinned: 'release_keys' in identity ? identity.release_keys : null,
      stateFolder: state.folder,
      env: process.env,
      auto: () => config.config.update.auto,
      onAir: () => broadcasts.status().some(isOnAir),
      health: () => faultOf(channel?.live ?? false, broadcasts.status()),
      restart: again,
      onChange: (update) => channel?.tellReport({ update }),
      logger: room('update'),
    }),
  )
  updates = updating
  const statusNow = (): AgentStatus => ({
    node_id: identity.node_id,
    hub_url: hub.hubUrl,
    overlay_addresses: identity.overlay_addresses,
    pid: process.pid,
    online: channel?.live ?? false,
    certificate_not_after: notAfterOf(present.identity),
    config_version: config.actual?.version ?? null,
    broadcasts: broadcasts.status(),
    report: report(),
  })
  stack.use(
    await LocalDoor.open(
      state.socket,
      {
        status: statusNow,
        apply: (document) => config.apply('local', document),
        check: (document) => config.check(document),
        update: (order) => updating.order(order),
      },
      room('door'),
    ),
  )
  const starts = stack.use(await UncleanStarts.open(join(state.config, 'starts.json')))
  await takeUpAtStart(config, {
    file: configFile ?? null,
    folder: state.config,
    starts,
    logger: room('config'),
  })
  // The hub hears of the uplinks as soon as it hears the device.
  await device.reconfigured()
  const targets = { broadcasts, device, update: (order: UpdateOrder) => updating.order(order) }
  channel = stack.use(
    new NodeChannel(
      {
        ...hub,
        memory: await CommandMemory.open(join(state.folder, 'commands.json')),
        logger: room('channel'),
      },
      {
        hello: () => ({ actual: config.actual, report: report(), broadcasts: broadcasts.status() }),
        configure: ({ version, config: document }) => config.apply(version, document),
        command: (command) => carryOut(command, targets),
        sampled: () => channel?.tellReport(clockSection(clock)),
        connected: () => {
          updating.offered()
          introduced.resolve()
        },
        releasesChanged: () => updating.offeredSoon(),
      },
    ),
  )
  // A hub that hears nobody on the channel may grant contracts all the same.
  setTimeout(introduced.resolve, INTRODUCED_WITHIN_MS).unref()
  backlog.deliver()
  const owned = stack.move()
  return {
    get status() {
      return statusNow()
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** An update waits for the end of these. A broadcast that can't be made keeps nobody from an update that may mend it. */
function isOnAir({ state }: BroadcastStatus): boolean {
  return state !== 'off' && state !== 'failed'
}

/** Why this agent is not as it should be a minute after its start; null: it is. */
function faultOf(isHeard: boolean, broadcasts: readonly BroadcastStatus[]): string | null {
  if (!isHeard) return 'the hub does not hear the agent'
  const failed = broadcasts.find(({ state }) => state === 'failed')
  return failed ? `${failed.stream_id} failed: ${failed.reason ?? ''}` : null
}

function clockSection(clock: HubClock): Pick<NodeReport, 'clock'> {
  if (!clock.isKnown) return {}
  return {
    clock: {
      ahead_ms: clock.aheadMs,
      error_ms: clock.errorMs,
      synchronised: kernelClock()?.synchronised ?? null,
    },
  }
}

/** The identity as it is now: certificates are renewed, tokens stay. */
function keepIdentity(
  identity: NodeIdentity,
  { state, clock, logger }: { state: StateFolder; clock: HubClock; logger: Logger },
): AsyncDisposable & { readonly identity: NodeIdentity } {
  if ('token' in identity) return { identity, [Symbol.asyncDispose]: () => Promise.resolve() }
  return new CertificateKeeper(identity, {
    clock,
    save: (renewed) => saveIdentity(state.identity, renewed),
    onError: (error) => logger.warn({ reason: messageOf(error) }, 'certificate not renewed; trying again'),
  })
}

const notAfterOf = (identity: NodeIdentity): number | null =>
  'token' in identity ? null : identity.not_after
