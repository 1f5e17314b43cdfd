import { once } from 'node:events'
import { existsSync, type FSWatcher, watch } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Resolves once there is a file of this name, or may be: the nearest folder above it that exists is watched, and
 * something in that folder changed.
 * @throws the signal's reason when it is aborted
 */
export async function deviceAppears(path: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  let folder = dirname(path)
  while (!existsSync(folder)) folder = dirname(folder)
  let watcher: FSWatcher
  try {
    watcher = watch(folder)
  } catch {
    // The folder went away this moment: look again.
    return
  }
  try {
    if (!existsSync(path)) await once(watcher, 'change', { signal })
  } finally {
    watcher.close()
  }
}
