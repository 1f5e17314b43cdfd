import { mkdtemp, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HubClock } from '../../../agent/node/hub-clock.ts'
import type { CertifiedIdentity } from '../../../agent/node/node-identity.ts'
import { Updates } from '../../../agent/update/updates.ts'
import { createLogger } from '../../../common/logger.ts'
import type { UpdateState } from '../../../common/wire/release.ts'
import { until } from '../../support/until.ts'

/** A device: runs of the agent, one after the other, on one state folder. */
export interface UpdatingDevice extends AsyncDisposable {
  readonly folder: string
  readonly identity: CertifiedIdentity
  /** Whether something is on air, and why the agent is not healthy. To be changed. */
  onAir: boolean
  fault: string | null
  auto: boolean
  /** States since the device began. */
  readonly states: UpdateState[]
  /** Starts the agent as this release. The run before has ended. */
  run(version: string, options?: { readonly trial?: boolean }): Promise<Updates>
  /** Resolves when the agent wants to be started again. */
  restarted(): Promise<void>
  reached(state: UpdateState['state']): Promise<UpdateState>
  /** The release that the launcher starts outside of trials; null for the package's. */
  current(): Promise<string | null>
}

export async function openDevice(identity: CertifiedIdentity): Promise<UpdatingDevice> {
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-device-'))
  let running: Updates | null = null
  let restarts = 0
  const end = async () => {
    const before = running
    running = null
    await before?.[Symbol.asyncDispose]()
  }
  const device: UpdatingDevice = {
    folder,
    identity,
    onAir: false,
    fault: null,
    auto: true,
    states: [],
    async run(version, { trial = false } = {}) {
      await end()
      running = await Updates.open({
        hub: { hubUrl: identity.hub_url, identity: () => identity, clock: new HubClock() },
        program: { version, architecture: 'amd64', isPackaged: true },
        pinned: identity.release_keys,
        stateFolder: folder,
        env: trial ? { LANECAST_TRIAL: version } : {},
        auto: () => device.auto,
        onAir: () => device.onAir,
        health: () => device.fault,
        restart: () => {
          restarts += 1
        },
        onChange: (state) => device.states.push(state),
        logger: createLogger('fatal'),
        trialTimes: { proveMs: 200, graceMs: 300, lookMs: 50 },
      })
      return running
    },
    async restarted() {
      await until(() => restarts > 0, 'the agent wants to be started again')
      restarts = 0
      await end()
    },
    reached: (state) =>
      until(() => (running?.state.state === state ? running.state : null), `the update is ${state}`),
    current: () => readlink(join(folder, 'releases/current')).catch(() => null),
    async [Symbol.asyncDispose]() {
      await end()
      await rm(folder, { recursive: true, force: true })
    },
  }
  return device
}
