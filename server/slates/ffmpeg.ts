import { finished } from 'node:stream/promises'
import { messageOf } from '../../common/errors.ts'
import { Child } from '../../common/supervision/child.ts'

/** Most address space of a child, KiB. The largest slate takes half of it, libraries included. */
const MAX_MEMORY_KIB = 1_000_000
/** Most CPU time of a child, seconds. */
const MAX_CPU_S = 10
/** Bounds for the kernel to hold, and media goes first. `nice` is left out where it is missing. */
const BOUNDED = `ulimit -v ${MAX_MEMORY_KIB} && ulimit -t ${MAX_CPU_S} || exit 1
command -v "$1" >/dev/null || exit 127
command -v nice >/dev/null && exec nice -n 5 "$@"
exec "$@"`
const NOT_WANTED = { failed: 'late', why: 'nobody waits for it any more' } as const
/** One thread for all: with one for each core, their stacks alone would pass the bound on a large machine. */
const ONE_THREAD = '-filter_threads 1 -filter_complex_threads 1 -threads 1'.split(' ')
const QUIET = '-hide_banner -loglevel error -nostats'.split(' ')
/** What the shell says of a program that is not there. */
const NOT_THERE = 'exit code 127'

export interface FfmpegRun {
  /** Beginning with those of the input. */
  readonly args: readonly string[]
  /** Standard input; null for none. */
  readonly input: Uint8Array | null
  /** A child that writes more is ended, bytes. */
  readonly maxOutputBytes: number
  /** A child that takes longer is ended, ms. */
  readonly timeoutMs: number
}

/** Why a run gave nothing: the machine has no ffmpeg, ffmpeg says so in its own words, or it took too long. */
export type FfmpegOutcome =
  | { readonly bytes: Buffer }
  | { readonly failed: 'absent' | 'failed' | 'late'; readonly why: string }

/**
 * Runs ffmpeg once, in a process that is bounded in time, memory and output, and ends with the hub. Never rejects.
 * @param program `ffmpeg` on the PATH by default
 * @param signal ends the run
 */
export async function runFfmpeg(
  { args, input, maxOutputBytes, timeoutMs }: FfmpegRun,
  signal: AbortSignal,
  program = 'ffmpeg',
): Promise<FfmpegOutcome> {
  if (signal.aborted) return NOT_WANTED
  const { PATH } = process.env
  const child = new Child(
    {
      command: '/bin/sh',
      args: ['-c', BOUNDED, 'sh', program, ...QUIET, ...ONE_THREAD, ...args],
      env: PATH === undefined ? {} : { PATH },
    },
    { heard: () => {}, broken: () => {} },
    0,
  )
  let ended: FfmpegOutcome | null = null
  const end = (outcome: FfmpegOutcome) => {
    ended ??= outcome
    child.kill()
  }
  const late = { failed: 'late', why: `ffmpeg took longer than ${timeoutMs} ms` } as const
  const timer = setTimeout(() => end(late), timeoutMs)
  const onAbort = () => end(NOT_WANTED)
  signal.addEventListener('abort', onAbort, { once: true })
  const chunks: Buffer[] = []
  let length = 0
  let complaint = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    length += chunk.length
    if (length > maxOutputBytes)
      end({ failed: 'failed', why: `ffmpeg wrote more than ${maxOutputBytes} bytes` })
    else chunks.push(chunk)
  })
  child.stderr?.on('data', (text: Buffer) => {
    complaint = (complaint + text.toString('utf8')).trim().slice(-300)
  })
  child.stdin?.end(input ?? undefined)
  try {
    // A process that is gone may have more to read than `ended` waits for.
    const [how] = await Promise.all([child.ended, child.stdout && finished(child.stdout)])
    if (ended !== null) return ended
    if (how === 'exit code 0') return { bytes: Buffer.concat(chunks, length) }
    if (how === NOT_THERE) return { failed: 'absent', why: `there is no ${program} on the PATH` }
    return { failed: 'failed', why: complaint === '' ? how : complaint }
  } catch (error) {
    return ended ?? { failed: 'failed', why: messageOf(error) }
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}
