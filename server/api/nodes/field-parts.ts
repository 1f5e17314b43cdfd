import type { CommandQueue } from '../../nodes/command-queue.ts'
import type { Devices } from '../../nodes/devices.ts'
import type { NodeConfigs } from '../../nodes/node-configs.ts'
import type { AdministrationParts } from '../administration-parts.ts'

/** What the routes about field senders need of the hub. */
export interface FieldParts extends Pick<AdministrationParts, 'topology' | 'now'> {
  readonly configs: NodeConfigs
  readonly commands: CommandQueue
  readonly devices: Pick<Devices, 'get'>
}
