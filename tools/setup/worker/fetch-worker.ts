import { execFile } from 'node:child_process'
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { release } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'

/**
 * Fetches the worker that mediasoup's authors publish for the installed version: `node fetch-worker.ts <mediasoup
 * package folder> <where the binary goes>`. Exit status 1, with a line that says why, when there is none. It gives up a
 * silent server after 15 s, and the whole download after 60 s. `MEDIASOUP_WORKER_PREBUILT_DOWNLOAD_BASE_URL` names a
 * mirror, as it does for mediasoup itself.
 */
const [packageFolder, target] = process.argv.slice(2)
if (packageFolder === undefined || target === undefined) {
  throw new Error('usage: fetch-worker.ts <mediasoup package folder> <where the binary goes>')
}
try {
  await fetchWorker(packageFolder, target)
} catch (error) {
  const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : ''
  process.stdout.write(
    `no prebuilt worker: ${error instanceof Error ? error.message : String(error)}${cause}\n`,
  )
  process.exitCode = 1
}

async function fetchWorker(mediasoup: string, binary: string): Promise<void> {
  const { version, repository } = z
    .object({ version: z.string(), repository: z.object({ url: z.string() }) })
    .parse(JSON.parse(await readFile(join(mediasoup, 'package.json'), 'utf8')))
  const releases = `${repository.url.replace(/^git\+/, '').replace(/\.git$/, '')}/releases/download`
  const base = process.env.MEDIASOUP_WORKER_PREBUILT_DOWNLOAD_BASE_URL || releases
  const kernel = release().split('.')[0]
  const name = `mediasoup-worker-${version}-${process.platform}-${process.arch}-kernel${kernel}.tgz`
  const archive = await download(`${base}/${version}/${name}`)
  const folder = `${binary}.unpacked`
  try {
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, name), archive)
    await promisify(execFile)('tar', ['-xzf', name, 'mediasoup-worker'], { cwd: folder, timeout: 30_000 })
    await chmod(join(folder, 'mediasoup-worker'), 0o755)
    await rename(join(folder, 'mediasoup-worker'), binary)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function download(url: string): Promise<Buffer> {
  const silence = new AbortController()
  const timer = setTimeout(() => silence.abort(new Error('the server stays silent')), 15_000)
  try {
    const response = await fetch(url, {
      signal: AbortSignal.any([silence.signal, AbortSignal.timeout(60_000)]),
    })
    if (!response.ok || !response.body) throw new Error(`${url}: ${response.status} ${response.statusText}`)
    const chunks: Uint8Array[] = []
    for await (const chunk of response.body) {
      chunks.push(chunk)
      timer.refresh()
    }
    return Buffer.concat(chunks)
  } finally {
    clearTimeout(timer)
  }
}
