import { readFileSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import { join } from 'node:path'
import { z } from 'zod'

type Check = (secret: string, headers: IncomingHttpHeaders, body: string, nowMs?: number) => boolean

/** The check of signatures that docs/webhooks.md shows to receivers: tests receive as they do. */
export async function documentedCheck(): Promise<Check> {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/webhooks.md'), 'utf8')
  const code = /```js\n([\s\S]+?)```/.exec(page)?.[1] ?? ''
  const module: unknown = await import(`data:text/javascript,${encodeURIComponent(code)}`)
  return z.object({ isOurs: z.custom<Check>((value) => typeof value === 'function') }).parse(module).isOurs
}
