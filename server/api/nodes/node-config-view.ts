import type { NodeConfigView } from '../../../common/wire/nodes-api.ts'
import { configState } from '../../nodes/config-state.ts'
import type { NodeName } from '../../nodes/node-name.ts'
import type { FieldParts } from './field-parts.ts'

/** What a node is to do, and what it does. */
export async function nodeConfigView(
  { configs, devices }: Pick<FieldParts, 'configs' | 'devices'>,
  node: NodeName,
): Promise<NodeConfigView> {
  const device = devices.get(node)
  const [{ history }, stored] = await Promise.all([configs.desired(node), configs.actual(node)])
  const record = device?.connected ? device.actual : stored
  const [current] = history
  const state = configState(current?.version ?? null, record)
  const { actual, answered } = record
  return {
    node_id: node.nodeId,
    tenant_id: node.tenantId,
    state,
    refusal: state === 'refused' && answered?.refusal ? { ...answered.refusal, at: answered.at } : null,
    connected: device?.connected ?? false,
    desired: current ? made(current, current.config) : null,
    actual,
    history: history.map((each, at) => ({ ...made(each), current: at === 0 })),
  }
}

function made<Config = undefined>(
  { version, made_at, made_by }: { version: number; made_at: number; made_by: string },
  config?: Config,
) {
  const fields = { version, made_at, made_by }
  return (config === undefined ? fields : { ...fields, config }) as typeof fields & { config: Config }
}
