import { constants } from 'node:fs'
import { access, stat, statfs } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { SETTINGS } from '../../../server/config/settings.ts'
import { type Check, fault, fine, named, warning } from '../check.ts'

const MIB = 1024 ** 2
const WARN_BYTES = 1024 * MIB
const FAULT_BYTES = 100 * MIB

/** Whether the data folder can be written, and has room. */
export const disk: Check = {
  name: 'disk',
  async run({ config }) {
    if (config.amnesia) return [fine(named(SETTINGS.amnesia), 'nothing is written to disk')]
    const folder = resolve(config.dataDir)
    const there = await nearest(folder)
    const { bavail, bsize } = await statfs(there)
    const free = bavail * bsize
    const says = `${Math.floor(free / MIB)} MiB are free`
    const change = `make room, or move the folder by ${named(SETTINGS.dataDir)}`
    const room =
      free < FAULT_BYTES
        ? fault(folder, says, change)
        : free < WARN_BYTES
          ? warning(folder, says, change)
          : fine(folder, says)
    try {
      await access(there, constants.W_OK | constants.X_OK)
    } catch {
      return [
        fault(
          folder,
          `this user may not write to ${there}`,
          `run as the hub's user, or chown the folder to it, or set ${named(SETTINGS.dataDir)} to another`,
        ),
        room,
      ]
    }
    const { mode } = await stat(there)
    if (there === folder && (mode & 0o077) !== 0)
      return [warning(folder, 'others of this machine may read the data folder', `chmod 700 ${folder}`), room]
    return [room]
  },
}

/** The folder itself, or the nearest above it that exists. */
async function nearest(folder: string): Promise<string> {
  for (let at = folder; ; at = dirname(at)) {
    const found = await stat(at).catch(() => null)
    if (found || at === dirname(at)) return at
  }
}
