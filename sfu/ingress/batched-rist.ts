import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../../common/errors.ts'
import { loadRist } from '../../common/rist/librist.ts'

/** Where set-up puts what it compiled from tools/setup/rist/rist-batches.c, if that was proved on this machine. */
export const BATCHED_RIST = join(
  import.meta.dirname,
  '..',
  '..',
  'node_modules',
  '.lanecast',
  'rist-batches.so',
)

/**
 * Loads a librist that takes and hands over packets in batches, and wakes less often. Call this before anything else
 * loads librist. Without the library, or with `LANECAST_BATCHED_RIST=off`, librist works as it came.
 *
 * @returns why the library could not be loaded although it is there, else null
 */
export function loadBatchedRist(): string | null {
  if (process.env.LANECAST_BATCHED_RIST === 'off' || !existsSync(BATCHED_RIST)) return null
  try {
    loadRist(BATCHED_RIST)
    return null
  } catch (error) {
    return messageOf(error)
  }
}
