import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import {
  type ReleaseArchitecture,
  releaseArchitectureSchema,
  releaseVersionSchema,
} from '../../common/wire/release.ts'

const ROOT = join(import.meta.dirname, '../..')
const OWN_ARCHITECTURE: Readonly<Record<string, ReleaseArchitecture>> = { x64: 'amd64', arm64: 'arm64' }

/** What a package says of itself. */
const packaged = z.object({ version: releaseVersionSchema, architecture: releaseArchitectureSchema })

/** The program that runs. */
export interface AgentVersion {
  readonly version: string
  /** null: a machine that the agent is not released for. */
  readonly architecture: ReleaseArchitecture | null
  /** Whether it was installed from a package: only then can it be replaced. */
  readonly isPackaged: boolean
}

/** @param root of the program */
export async function agentVersion(root = ROOT): Promise<AgentVersion> {
  const release = packaged.safeParse(await readJson(join(root, 'release.json')))
  if (release.success) return { ...release.data, isPackaged: true }
  const { version } = z.object({ version: z.string() }).parse(await readJson(join(root, 'package.json')))
  return { version, architecture: OWN_ARCHITECTURE[process.arch] ?? null, isPackaged: false }
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch {
    return undefined
  }
}
