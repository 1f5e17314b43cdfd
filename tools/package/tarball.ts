import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { basename, dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { constants, createZstdCompress } from 'node:zlib'
import type { Release } from './program-tree.ts'

const BLOCK_BYTES = 1024 * 1024

/**
 * Makes the tarball of an assembled program, with the one folder `lanecast-agent`: for machines without dpkg, and for
 * agents that update themselves. Those read plain ustar entries alone (agent/update/unpack.ts).
 * @param program folder by `putProgram`, with that name
 * @param level of zstd, 1 to 19
 */
export async function makeTarball(
  { madeAt }: Release,
  { program, file, level }: { program: string; file: string; level: number },
): Promise<void> {
  const tar = spawn(
    'tar',
    [
      ...['--create', '--format=ustar', '--sort=name', `--mtime=@${madeAt}`, '--mode=go=rX,u+rw,a-s'],
      ...['--owner=root:0', '--group=root:0', '--directory', dirname(program), basename(program)],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const ended = once(tar, 'exit')
  const compress = createZstdCompress({
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      // Devices unpack it with little memory: 8 MB.
      [constants.ZSTD_c_windowLog]: 23,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  })
  await pipeline(tar.stdout, inBlocks, compress, createWriteStream(file))
  const [code] = await ended
  if (code !== 0) throw new Error(`tar ended with ${code}`)
}

/** zstd's output depends on how its input is cut, and a pipe cuts as it likes. */
async function* inBlocks(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const block = Buffer.alloc(BLOCK_BYTES)
  let filled = 0
  for await (const chunk of chunks)
    for (let at = 0; at < chunk.length; ) {
      const taken = chunk.copy(block, filled, at)
      filled += taken
      at += taken
      if (filled < BLOCK_BYTES) continue
      yield Buffer.from(block)
      filled = 0
    }
  yield Buffer.from(block.subarray(0, filled))
}

export function tarballName({ version, architecture }: Release): string {
  return `lanecast-agent_${version}_${architecture}.tar.zst`
}
