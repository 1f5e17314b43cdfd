import { parse, write } from 'sdp-transform'
import { z } from 'zod'
import type { TransportEnd } from './answer.ts'
import { candidatesOf } from './answer.ts'
import { badSdp } from './session-description.ts'

/** Longest fragment, bytes. A fragment holds a few candidates. */
export const MAX_FRAGMENT_BYTES = 16 * 1024
const MAX_CANDIDATES = 128

const text = z.union([z.string(), z.number()]).transform(String)
const candidate = z.looseObject({
  foundation: text.pipe(z.string().regex(/^[A-Za-z0-9+/]{1,32}$/)),
  component: z.number().int().min(1).max(256),
  transport: z.string().max(16),
  priority: z.number().int().min(0),
  ip: z.string().min(1).max(253),
  port: z.number().int().min(0).max(65_535),
  type: z.string().max(16),
})
const credentials = {
  iceUfrag: text.pipe(z.string().regex(/^[A-Za-z0-9+/]{4,256}$/)).optional(),
  icePwd: text.pipe(z.string().regex(/^[A-Za-z0-9+/]{22,256}$/)).optional(),
  candidates: z.array(candidate).max(MAX_CANDIDATES).default([]),
}
const fragmentSchema = z.object({
  ...credentials,
  media: z.array(z.object({ ...credentials, mid: text.optional() })).max(16),
})

/** ICE information from a client of a running session, RFC 8840. */
export interface IceFragment {
  /** null where the fragment does not say to whom the candidates belong. */
  readonly credentials: { readonly usernameFragment: string; readonly password: string } | null
  readonly candidates: number
}

/**
 * Reads an SDP fragment. The hub is ICE-lite: it learns the client's address from the client's own checks. Candidates
 * are read only to report broken ones.
 * @throws CodedError `bad_sdp` (400)
 */
export function readIceFragment(fragment: string): IceFragment {
  // Browsers end their candidates with an empty one, which clients send as `a=`.
  const broken = fragment.split(/\r?\n/).findIndex((line) => !/^(|a=|[am]=\S.*)$/.test(line))
  if (broken >= 0) throw badSdp([`line ${broken + 1}: must be an \`a=\` or \`m=\` line`])
  const lines = fragment.match(/^a=candidate:/gm)?.length ?? 0
  const parsed = fragmentSchema.safeParse(safely(() => parse(fragment)))
  if (!parsed.success)
    throw badSdp(parsed.error.issues.slice(0, 10).map(({ path, message }) => `${path.join('.')}: ${message}`))
  const parts = [parsed.data, ...parsed.data.media]
  const candidates = parts.reduce((sum, part) => sum + part.candidates.length, 0)
  if (candidates < lines) throw badSdp(['a=candidate: must follow RFC 8839 section 5.1'])
  const usernameFragment = parts.find(({ iceUfrag }) => iceUfrag !== undefined)?.iceUfrag
  const password = parts.find(({ icePwd }) => icePwd !== undefined)?.icePwd
  if ((usernameFragment === undefined) !== (password === undefined))
    throw badSdp(['a=ice-ufrag and a=ice-pwd: both or none'])
  return {
    credentials:
      usernameFragment === undefined || password === undefined ? null : { usernameFragment, password },
    candidates,
  }
}

/** The hub's end after an ICE restart, for the client. */
export function writeIceFragment({ iceParameters, iceCandidates }: TransportEnd, mid: string): string {
  const session = write({
    version: 0,
    origin: { username: '-', sessionId: 0, sessionVersion: 0, netType: 'IN', ipVer: 4, address: '127.0.0.1' },
    name: '-',
    timing: { start: 0, stop: 0 },
    iceUfrag: iceParameters.usernameFragment,
    icePwd: iceParameters.password,
    media: [
      {
        type: 'audio',
        port: 9,
        protocol: 'UDP/TLS/RTP/SAVPF',
        payloads: '0',
        mid,
        rtp: [],
        fmtp: [],
        candidates: candidatesOf(iceCandidates),
        endOfCandidates: 'end-of-candidates',
      },
    ],
  })
  // A fragment lacks the lines that a whole description needs.
  return session
    .split('\r\n')
    .filter((line) => /^[am]=/.test(line))
    .map((line) => `${line}\r\n`)
    .join('')
}

function safely<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
