import { CodedError } from '../../common/errors.ts'
import { keyOf } from '../../common/node-config/config-secrets.ts'
import { type Broadcast, type NodeConfig, nodeConfigSchema } from '../../common/wire/node-config.ts'
import type { StateCommand } from '../../common/wire/nodes-api.ts'

/**
 * The configuration after a command that changes what the device is to do.
 * @throws CodedError `broadcast_unknown` (404) where the device has no such broadcast, `bad_request` (400) where the
 * outcome is no configuration
 */
export function patched(config: NodeConfig, command: StateCommand): NodeConfig {
  const key = keyOf(command)
  const at = config.broadcasts.findIndex((broadcast) => keyOf(broadcast) === key)
  const broadcast = config.broadcasts[at]
  if (!broadcast)
    throw new CodedError('broadcast_unknown', `the device has no broadcast "${key.trim()}"`, {
      details: [`it has: ${config.broadcasts.map((each) => keyOf(each).trim()).join(', ') || 'none'}`],
    })
  const parsed = nodeConfigSchema.safeParse({
    ...config,
    broadcasts: config.broadcasts.with(at, changed(broadcast, command)),
  })
  if (parsed.success) return parsed.data
  throw new CodedError('bad_request', 'the command does not fit the configuration of the device', {
    details: parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`),
  })
}

function changed(broadcast: Broadcast, command: StateCommand): Broadcast {
  switch (command.do) {
    case 'start':
      return { ...broadcast, on: true }
    case 'stop':
      return { ...broadcast, on: false }
    case 'source':
      return { ...broadcast, source: command.source }
    case 'class':
      return { ...broadcast, class: command.class }
    case 'bounds': {
      const { kbps: _, ...rest } = broadcast
      return command.kbps === null ? rest : { ...rest, kbps: command.kbps }
    }
    case 'renditions':
      return { ...broadcast, renditions: command.renditions }
    case 'fps':
      return { ...broadcast, fps: command.fps }
    case 'sound':
      return { ...broadcast, sound: command.sound }
    case 'gain':
      if (!broadcast.sound)
        throw new CodedError('bad_request', 'the broadcast has no sound', {
          details: ['send a command `sound` first'],
        })
      return { ...broadcast, sound: { ...broadcast.sound, gain_db: command.gain_db } }
    case 'links': {
      const { links: _, ...rest } = broadcast
      return command.links === null ? rest : { ...rest, links: command.links }
    }
  }
}
