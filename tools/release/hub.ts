import { open } from 'node:fs/promises'
import { z } from 'zod'

const PART = 1024 * 1024

/** The hub's answer to a release, as far as uploads need it. */
const uploadsSchema = z.object({
  release: z.object({
    version: z.string(),
    files: z.array(z.object({ architecture: z.string(), bytes: z.number(), present: z.number() })),
  }),
})

/** A hub, as its admin. */
export interface AdminHub {
  readonly url: string
  readonly token: string
}

/** @throws Error with the hub's words */
export async function askHub(
  { url, token }: AdminHub,
  method: string,
  path: string,
  body?: object | Uint8Array<ArrayBuffer>,
): Promise<unknown> {
  const isBytes = body instanceof Uint8Array
  const response = await fetch(new URL(path, url), {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body && { 'content-type': isBytes ? 'application/octet-stream' : 'application/json' }),
    },
    ...(body && { body: isBytes ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path} was answered ${response.status}: ${text}`)
  return text === '' ? null : JSON.parse(text)
}

/**
 * Uploads what the hub lacks of a release, on from where an earlier upload ended.
 * @param fileFor path of the file for a machine; undefined where there is none here
 */
export async function uploadRelease(
  hub: AdminHub,
  signed: object,
  fileFor: (architecture: string) => string | undefined,
  told: (line: string) => void,
): Promise<string> {
  const { release } = uploadsSchema.parse(await askHub(hub, 'POST', '/v1/releases', signed))
  for (const { architecture, bytes, present } of release.files) {
    const file = fileFor(architecture)
    if (file === undefined) continue
    await using handle = await open(file, 'r')
    for (let offset = present; offset < bytes; ) {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(PART), 0, PART, offset)
      if (bytesRead === 0) throw new Error(`${file} is shorter than it was when it was signed`)
      const path = `/v1/releases/${release.version}/files/${architecture}?offset=${offset}`
      await askHub(hub, 'PUT', path, new Uint8Array(buffer.subarray(0, bytesRead)))
      offset += bytesRead
    }
    told(`${release.version} for ${architecture}: ${bytes} bytes are there`)
  }
  return release.version
}
