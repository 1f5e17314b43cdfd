import { createHash } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { canonicalJson } from '../../common/canonical-json.ts'
import { CodedError, messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import { MAX_CONFIG_BYTES, readConfigText } from '../../common/node-config/config-text.ts'
import { WholeFile } from '../whole-file.ts'
import type { ConfigKeeper } from './config-keeper.ts'
import type { UncleanStarts } from './unclean-starts.ts'

/**
 * The document of a file, not checked by the schema: JSON where the file's name ends so, TOML otherwise.
 * @throws CodedError `config_invalid`, also where the file can't be read
 */
export async function readConfigFile(path: string): Promise<unknown> {
  return readConfigText(await textOf(path), path.endsWith('.json') ? 'json' : 'toml')
}

export interface StartOptions {
  /** The document for a device that nobody has configured. */
  readonly file: string | null
  /** Remembers which file it was. */
  readonly folder: string
  readonly starts: UncleanStarts
  readonly logger: Logger
}

/**
 * Takes up what held before the start, and then the document of a file, if there is one and it is another file than at the
 * start before: the file is for a device that nobody has configured from the hub, nor since at the device. A file that can't
 * be applied changes nothing. @throws never
 */
export async function takeUpAtStart(
  keeper: ConfigKeeper,
  { file, folder, starts, logger }: StartOptions,
): Promise<void> {
  const { pauseMs } = starts
  if (pauseMs > 0)
    logger.error({ pause_ms: pauseMs }, 'the agent ended again and again: the saved configuration waits')
  await keeper.resume(pauseMs)
  if (file === null) return
  if (typeof keeper.version === 'number') {
    logger.info(
      { file, version: keeper.version },
      'the file is left alone: the hub has configured the device',
    )
    return
  }
  try {
    const document = await readConfigFile(file)
    const hash = createHash('sha256').update(canonicalJson(document)).digest('hex')
    const taken = join(folder, 'file.sha256')
    if (keeper.version !== null && (await readFile(taken, 'utf8').catch(() => '')) === hash) return
    if ((await keeper.apply('local', document)).state === 'refused') return
    await using whole = await WholeFile.write(taken, hash)
    await whole.putInPlace()
  } catch (thrown) {
    logger.error({ file, reason: messageOf(thrown) }, 'the file can not be taken up')
  }
}

/** No more of a file is read than a document may have: it may be a device. */
async function textOf(path: string): Promise<string> {
  try {
    await using handle = await open(path)
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAX_CONFIG_BYTES + 1))
    return buffer.toString('utf8', 0, bytesRead)
  } catch (cause) {
    throw new CodedError('config_invalid', `${path} can not be read: ${messageOf(cause)}`, { cause })
  }
}
