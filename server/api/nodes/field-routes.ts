import type { Route } from '../route.ts'
import type { FieldParts } from './field-parts.ts'
import { getNodeCommand } from './get-command.ts'
import { getNodeConfig } from './get-config.ts'
import { getNodeConfigText } from './get-config-text.ts'
import { getNodeConfigVersion } from './get-config-version.ts'
import { getNodeReport } from './get-report.ts'
import { listNodeCommands } from './list-commands.ts'
import { postNodeCommand } from './post-command.ts'
import { putNodeConfig } from './put-config.ts'

/** Every route about field senders, in the order of the reference. */
export function fieldRoutes(parts: FieldParts): Route[] {
  return [
    getNodeConfig(parts),
    getNodeConfigText(parts),
    putNodeConfig(parts),
    getNodeConfigVersion(parts),
    postNodeCommand(parts),
    listNodeCommands(parts),
    getNodeCommand(parts),
    getNodeReport(parts),
  ]
}
