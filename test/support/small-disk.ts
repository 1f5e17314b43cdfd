import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A file system of a few hundred kB that can be filled to its last byte. */
export interface SmallDisk extends Disposable {
  readonly folder: string
  fill(): void
  /** Gives back what `fill` took. */
  clear(): void
}

/** Null where this process may not mount. */
export function mountSmallDisk(kilobytes = 768): SmallDisk | null {
  if (process.getuid?.() !== 0) return null
  const folder = mkdtempSync(join(tmpdir(), 'lanecast-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k,mode=700`, 'lanecast-test', folder], {
      stdio: 'pipe',
    })
  } catch {
    rmdirSync(folder)
    return null
  }
  const filler = join(folder, 'filler')
  return {
    folder,
    fill() {
      const block = Buffer.alloc(4096)
      try {
        for (;;) writeFileSync(filler, block, { flag: 'a' })
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
      }
    },
    clear: () => rmSync(filler, { force: true }),
    [Symbol.dispose]() {
      // What is still open there is let go of with its process.
      execFileSync('umount', ['--lazy', folder])
      rmdirSync(folder)
    },
  }
}
