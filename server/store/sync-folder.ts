import { open } from 'node:fs/promises'

/** Puts a folder's entries on disk: a file that was made or renamed there is then still there after a power failure. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
