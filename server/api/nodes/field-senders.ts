import type { CommandQueue } from '../../nodes/command-queue.ts'
import type { Devices } from '../../nodes/devices.ts'
import type { NodeConfigs } from '../../nodes/node-configs.ts'

/** Field senders: what they are to do, their commands, and those that this hub has heard. */
export interface FieldSenders {
  readonly configs: NodeConfigs
  readonly commands: CommandQueue
  readonly devices: Pick<Devices, 'get'>
}
