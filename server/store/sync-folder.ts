import { open } from 'node:fs/promises'

/** Syncs a folder's entries to the disk: a file that was made or renamed there then survives a power failure. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
