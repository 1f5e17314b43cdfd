import { createLogger } from '../../../common/logger.ts'
import { openStore, type StoreConfig } from '../../../server/store/open-store.ts'

/**
 * Writes documents until it is killed and prints the id of each that was acknowledged. Arguments: `sqlite FOLDER` or
 * `postgres URL`, and what all its ids begin with.
 */

const [kind, where = '', prefix = ''] = process.argv.slice(2)
const config: StoreConfig = kind === 'sqlite' ? { kind, folder: where } : { kind: 'postgres', url: where }
const WRITERS = 16

await print('started')
const store = await openStore(config, { logger: createLogger('warn') })
await Promise.all(
  Array.from({ length: WRITERS }, async (_, writer) => {
    for (let index = 0; ; index++) {
      const id = `${prefix}-${writer}-${index}`
      const key = { kind: 'node', tenant_id: 't1' }
      await store.write(
        [
          { op: 'put', ...key, id, body: { text: 'x'.repeat(200) }, expected_version: 0 },
          { op: 'put', ...key, id: `${id}-twin`, body: null },
        ],
        [
          {
            tenant_id: 't1',
            at: Date.now(),
            actor: 'test',
            action: 'put',
            object: id,
            outcome: 'done',
            detail: {},
          },
        ],
      )
      await print(id)
    }
  }),
)

function print(line: string): Promise<unknown> {
  return new Promise((resolve) => process.stdout.write(`${line}\n`, resolve))
}
