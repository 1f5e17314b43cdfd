import { readFileSync } from 'node:fs'
import { SETTINGS } from '../../../server/config/settings.ts'
import { type Check, fine, named, unknown, warning } from '../check.ts'
import { portHolder } from '../port-holder.ts'

/** Beside connections: workers, ingress processes, the database, files (server/descriptors.ts). */
const RESERVE = 512

/** Whether the hub may open as many files as it has connections. */
export const descriptors: Check = {
  name: 'file descriptors',
  async run({ config, hubRuns }) {
    const hub = hubRuns ? portHolder('tcp', config.bind.port) : null
    const whose = hub === null ? 'a program started here' : `the running hub (pid ${hub.pid})`
    const wanted = config.maxConnections + RESERVE
    let limit: number
    try {
      const text = readFileSync(`/proc/${hub?.pid ?? 'self'}/limits`, 'utf8')
      limit = Number(/^Max open files +(\d+)/m.exec(text)?.[1] ?? Number.POSITIVE_INFINITY)
    } catch {
      return [unknown('ulimit -n', 'this system does not say it')]
    }
    if (limit >= wanted) return [fine('ulimit -n', `${whose} may open ${limit} files`)]
    return [
      warning(
        'ulimit -n',
        `${whose} may open ${limit} files, and ${config.maxConnections} connections (${named(SETTINGS.maxConnections)}) need ${wanted}`,
        `LimitNOFILE=65536 in the unit (deploy/lanecast.service has it), or ulimit -n ${wanted} before the start, or a lower ${named(SETTINGS.maxConnections)}`,
      ),
    ]
  },
}
