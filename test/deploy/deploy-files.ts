import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { SETTINGS } from '../../server/config/settings.ts'

export const ROOT = resolve(import.meta.dirname, '../..')

export const textOf = (file: string): string => readFileSync(resolve(ROOT, file), 'utf8')

/** Variables that programs read beside the settings. */
const OTHER_VARIABLES = ['NODE_COMPILE_CACHE', 'SEALING_KEYS']

/** Names of environment variables that somebody reads. */
export const VARIABLES: ReadonlySet<string> = new Set([
  ...Object.values(SETTINGS).map(({ env }) => env),
  ...OTHER_VARIABLES,
])

/** The lines of a unit's sections, as `[section, key, value]`. */
export function unitLines(text: string): [string, string, string][] {
  let section = ''
  const lines: [string, string, string][] = []
  for (const line of text.split('\n')) {
    const heading = /^\[(\w+)\]$/.exec(line)
    if (heading) section = heading[1]!
    const pair = /^(\w+)=(.*)$/.exec(line)
    if (pair) lines.push([section, pair[1]!, pair[2]!])
  }
  return lines
}

export interface Instruction {
  readonly name: string
  readonly words: string
  /** Number of its stage, from 0. */
  readonly stage: number
}

/** The instructions of a container file, with continued lines joined. */
export function instructions(text: string): Instruction[] {
  let stage = -1
  return text
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, name = '', words = ''] = /^([A-Z]+) +(.*)$/.exec(line) ?? []
      if (name === 'FROM') stage += 1
      return { name, words, stage }
    })
}

/** `[a, b]` in JSON, as ENTRYPOINT and CMD have it. */
export const wordsOf = (json: string): string[] => JSON.parse(json) as string[]

/** The example configuration with everything filled in. */
export function filledIn(file = 'deploy/hub.toml'): string {
  return textOf(file)
    .replaceAll('"HOST"', '"video.example.com"')
    .replaceAll('"EMAIL"', '"admin@example.com"')
    .replaceAll('"STUN"', '"127.0.0.1:3478"')
    .replaceAll('"SECRET"', '"a long secret"')
}
