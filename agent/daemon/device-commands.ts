import type { DeviceCommand, Outcome } from '../../common/wire/node-protocol.ts'
import type { DeviceWatch } from '../hardware/device-watch.ts'
import type { Broadcasts } from './broadcasts.ts'
import { reboot } from './reboot.ts'

/** What commands of the hub are carried out by. */
export interface CommandTargets {
  readonly broadcasts: Pick<Broadcasts, 'keyframe' | 'restartEncoder' | 'restartSender'>
  readonly device: Pick<DeviceWatch, 'probeEncoders'>
  /** Looks for a release, and takes it when nothing is on air. */
  readonly update: (wanted: Extract<DeviceCommand, { do: 'update' }>) => Promise<Outcome>
}

/** Does what the hub says. @throws CodedError where that can't be done */
export async function carryOut(command: DeviceCommand, targets: CommandTargets): Promise<Outcome> {
  const { broadcasts, device, update } = targets
  switch (command.do) {
    case 'keyframe':
      broadcasts.keyframe(command.stream_id)
      break
    case 'restart-encoder':
      broadcasts.restartEncoder(command.stream_id)
      break
    case 'restart-sender':
      broadcasts.restartSender(command.stream_id)
      break
    case 'probe-encoders':
      await device.probeEncoders()
      break
    case 'update':
      return update(command)
    case 'reboot':
      await reboot()
  }
  return { state: 'done' }
}
