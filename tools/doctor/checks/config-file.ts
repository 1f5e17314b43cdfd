import { stat } from 'node:fs/promises'
import { type Check, fine, warning } from '../check.ts'

const OTHERS = 0o007

/** Whether the secrets of the configuration's file are secrets. */
export const configFile: Check = {
  name: 'configuration',
  async run({ config, file }) {
    if (file === null) return [fine('settings', 'they are valid')]
    const { mode } = await stat(file)
    if (config.streams.length === 0 || (mode & OTHERS) === 0) return [fine(file, 'it is valid')]
    return [
      warning(
        file,
        'everybody on this machine may read it, and it holds the secrets of streams',
        `chmod o-rwx ${file}; the hub's user must still read it, as its owner or by its group`,
      ),
    ]
  },
}
