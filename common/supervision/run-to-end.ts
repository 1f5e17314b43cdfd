import type { Readable } from 'node:stream'
import { Child, type ForeignProgram } from './child.ts'

export interface RunLimits {
  /** The program is killed after this, ms. */
  readonly withinMs: number
  /** Most bytes that are kept of what it writes, on each output. */
  readonly maxBytes: number
}

export interface ProgramRun {
  /** `exit code 0`, a signal, or why it could not start. */
  readonly how: string
  readonly output: string
  readonly errors: string
}

/**
 * Runs a foreign program that ends by itself.
 * @param input what it reads on its standard input
 */
export async function runToEnd(
  program: ForeignProgram,
  input: string,
  limits: RunLimits,
): Promise<ProgramRun> {
  await using child = new Child(program, { heard: () => {}, broken: () => {} }, 0)
  const output = textOf(child.stdout, limits.maxBytes)
  const errors = textOf(child.stderr, limits.maxBytes)
  const killer = setTimeout(() => child.kill(), limits.withinMs)
  child.stdin?.end(input)
  const how = await child.ended
  clearTimeout(killer)
  return { how, output: output.text, errors: errors.text }
}

/** Reads all of a stream, and keeps the first bytes. */
function textOf(stream: Readable | null, maxBytes: number): { readonly text: string } {
  const kept: Buffer[] = []
  let bytes = 0
  stream?.on('data', (chunk: Buffer) => {
    if (bytes < maxBytes) kept.push(chunk.subarray(0, maxBytes - bytes))
    bytes += chunk.length
  })
  return {
    get text() {
      return Buffer.concat(kept).toString('utf8')
    },
  }
}
