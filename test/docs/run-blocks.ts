import { execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { z } from 'zod'

/** Lines of a page that a reader would type, with the status at the head of the block. */
export interface Block {
  readonly status: string
  readonly lines: string
}

/** Calls whose answer is no 200, 201, 202 or 204 are in blocks that begin with their status: ```sh 403 */
const BLOCK = /^```sh ?(\d*)\n([\s\S]*?)^```$/gm

/** Stands in curl's place: keeps each call and its answer, and hands the answer on. */
const WRAPPER = `#!/bin/bash
set -o pipefail
call=$(printf '%s/%03d' "$CALLS" "$(ls "$CALLS" | wc -l)")
mkdir "$call"
printf '%s\\0' "$@" > "$call/args"
echo "$BLOCK" > "$call/block"
"$CURL" --silent --show-error --max-time 20 --dump-header "$call/headers" "$@" | tee "$call/body"
`

export interface Call {
  readonly block: number
  readonly method: string
  readonly path: string
  readonly status: number
  readonly type: string
  readonly body: string
}

const openApi = z.object({
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.object({
        responses: z.record(
          z.string(),
          z.object({
            content: z.record(z.string(), z.object({ schema: z.record(z.string(), z.unknown()) })).optional(),
          }),
        ),
      }),
    ),
  ),
})

export function blocksOf(text: string): Block[] {
  return Array.from(text.matchAll(BLOCK), ([, status = '', lines = '']) => ({ status, lines }))
}

/**
 * Runs every block in one shell, as a reader would.
 * @param folder for the files that the lines write
 * @param filled fills in what a reader would fill in
 */
export async function runBlocks(
  blocks: readonly Block[],
  hubUrl: string,
  folder: string,
  filled: (script: string) => string,
): Promise<Call[]> {
  const [bin, calls] = [join(folder, 'bin'), join(folder, 'calls')]
  await Promise.all([mkdir(bin), mkdir(calls)])
  await writeFile(join(bin, 'curl'), WRAPPER)
  await chmod(join(bin, 'curl'), 0o700)
  const script = filled(blocks.map(({ lines }, index) => `export BLOCK=${index}\n${lines}`).join('\n'))
  const CURL = execFileSync('sh', ['-c', 'command -v curl'], { encoding: 'utf8' }).trim()
  const shell = execFile('bash', ['-eu', '-o', 'pipefail', '-c', script], {
    cwd: folder,
    // The description of the API alone has more than execFile's usual megabyte.
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH']}`, CALLS: calls, CURL },
  })
  let errors = ''
  shell.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const [code] = await once(shell, 'close')
  if (code !== 0) throw new Error(`the lines ended with ${code}: ${errors}`)
  const names = (await readdir(calls)).sort()
  return Promise.all(names.map((name) => readCall(join(calls, name), hubUrl)))
}

async function readCall(folder: string, hubUrl: string): Promise<Call> {
  const [args, headers, body, block] = await Promise.all(
    ['args', 'headers', 'body', 'block'].map((name) => readFile(join(folder, name), 'utf8')),
  )
  const words = args!.split('\0')
  const named = words.indexOf('-X')
  const sends = words.some((word) => word === '-d' || word === '--data-binary')
  const output = words.indexOf('--output')
  return {
    block: Number(block),
    method: named < 0 ? (sends ? 'post' : 'get') : words[named + 1]!.toLowerCase(),
    path: new URL(words.find((word) => word.startsWith(hubUrl))!).pathname,
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(headers!)?.[1]),
    type: /^content-type: ([^;\r\n]*)/im.exec(headers!)?.[1] ?? '',
    body: output < 0 ? body! : '',
  }
}

/** Whether an operation as `checkCalls` names it belongs to WHIP or WHEP. */
export function isDoor(operation: string): boolean {
  return / \/(whip|whep)\//.test(operation)
}

/**
 * Every call was answered as the reference says.
 * @returns which operations were answered well, and which there are: `post /v1/publish`
 */
export async function checkCalls(
  t: ExecutionContext,
  hubUrl: string,
  blocks: readonly Block[],
  calls: readonly Call[],
): Promise<{ readonly shown: ReadonlySet<string>; readonly operations: readonly string[] }> {
  const { paths } = openApi.parse(await (await fetch(`${hubUrl}/openapi.json`)).json())
  const templates = Object.keys(paths).map((path) => ({
    path,
    fits: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  }))
  const shown = new Set<string>()
  for (const { block, method, path, status, type, body } of calls) {
    const what = `${method.toUpperCase()} ${path}`
    const expected = blocks[block]!.status
    if (expected) t.is(status, Number(expected), `${what}: ${body}`)
    else t.true(status >= 200 && status < 300, `${what} answered ${status}: ${body}`)
    // The most literal one: /v1/tokens/{token_id} fits less than /v1/tokens/x.
    const template = templates.find(({ fits }) => fits.test(path))
    if (!template) {
      t.true(['/healthz', '/readyz', '/openapi.json', '/docs'].includes(path), `${what} is in the reference`)
      continue
    }
    const operation = paths[template.path]?.[method]
    const response = operation?.responses[status]
    if (!response) {
      t.fail(`${what} answers ${status}, which the reference does not know`)
      continue
    }
    if (!expected) shown.add(`${method} ${template.path}`)
    const schema = response.content?.['application/json']?.schema
    if (type !== 'application/json' || !schema || '$ref' in schema) continue
    const parsed = z
      .fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0])
      .safeParse(JSON.parse(body))
    t.true(parsed.success, `${what}: ${parsed.error && z.prettifyError(parsed.error)}`)
  }
  const operations = Object.entries(paths).flatMap(([path, ofPath]) =>
    Object.keys(ofPath).map((method) => `${method} ${path}`),
  )
  return { shown, operations }
}
