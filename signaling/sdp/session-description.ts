import { parse } from 'sdp-transform'
import { z } from 'zod'
import { CodedError } from '../../common/errors.ts'

/** Longest description, bytes. Chromium's offers have some 8 kB. */
export const MAX_SDP_BYTES = 64 * 1024
const MAX_SECTIONS = 16
/** Most lines; Chromium's video section has 150. The parser tries each unknown line against all known kinds. */
const MAX_LINES = 2000
const MAX_LINE_LENGTH = 4096
const MAX_CODECS = 128

/** RFC 8839 section 5.4. */
const iceChars = (min: number) => z.string().regex(new RegExp(`^[A-Za-z0-9+/]{${min},256}$`))
const payloadType = z.number().int().min(0).max(127)
/** A mid, rid or group member; a number where the parser takes it for a number. */
const token = z.union([z.string(), z.number()]).transform(String).pipe(z.string().min(1).max(64))
const direction = z.enum(['sendrecv', 'sendonly', 'recvonly', 'inactive'])

const transportFields = {
  iceUfrag: z.union([z.string(), z.number()]).transform(String).pipe(iceChars(4)).optional(),
  icePwd: z.union([z.string(), z.number()]).transform(String).pipe(iceChars(22)).optional(),
  fingerprint: z
    .object({
      type: z.string().max(16),
      hash: z.string().regex(/^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){15,63}$/),
    })
    .optional(),
  setup: z.string().max(16).optional(),
  direction: direction.optional(),
}

const mediaSchema = z.object({
  ...transportFields,
  type: z.string().max(32),
  port: z.number().int().min(0).max(65_535),
  protocol: z.string().max(64),
  payloads: z.union([z.string(), z.number()]).transform(String).pipe(z.string().max(1024)).optional(),
  mid: token.optional(),
  rtcpMux: z.string().optional(),
  bundleOnly: z.string().optional(),
  rtp: z
    .array(
      z.object({
        payload: payloadType,
        codec: z.string().max(32),
        rate: z.number().int().positive().optional(),
        encoding: z.union([z.number(), z.string()]).transform(Number).optional(),
      }),
    )
    .max(MAX_CODECS)
    .default([]),
  fmtp: z
    .array(z.object({ payload: payloadType, config: z.string().max(1024) }))
    .max(MAX_CODECS)
    .default([]),
  rtcpFb: z
    .array(
      z.object({
        payload: z.union([payloadType, z.literal('*')]),
        type: z.string().max(64),
        subtype: z.string().max(64).optional(),
      }),
    )
    .max(8 * MAX_CODECS)
    .default([]),
  ext: z
    .array(
      z.object({
        value: z.number().int().min(1).max(255),
        direction: direction.optional(),
        uri: z.string().max(256),
      }),
    )
    .max(64)
    .default([]),
  ssrcs: z
    .array(
      z.object({
        id: z.number().int().min(0).max(0xffff_ffff),
        attribute: z.string().max(64),
        value: z.union([z.string(), z.number()]).transform(String).optional(),
      }),
    )
    .max(64)
    .default([]),
  ssrcGroups: z
    .array(z.object({ semantics: z.string().max(32), ssrcs: z.string().max(256) }))
    .max(16)
    .default([]),
  rids: z
    .array(
      z.object({
        id: token.pipe(z.string().regex(/^[A-Za-z0-9_-]{1,255}$/)),
        direction: z.string(),
        params: z.string().max(256).optional(),
      }),
    )
    .max(16)
    .default([]),
  simulcast: z
    .object({
      dir1: z.string(),
      list1: z.string().max(512),
      dir2: z.string().optional(),
      list2: z.string().max(512).optional(),
    })
    .optional(),
})
export type MediaDescription = z.infer<typeof mediaSchema>

const sessionSchema = z.object({
  ...transportFields,
  groups: z
    .array(z.object({ type: z.string().max(32), mids: z.union([z.string(), z.number()]).transform(String) }))
    .max(16)
    .default([]),
  extmapAllowMixed: z.string().optional(),
  media: z.array(mediaSchema).max(MAX_SECTIONS),
})
export type SessionDescription = z.infer<typeof sessionSchema>

/** The name of an attribute in messages, where sdp-transform uses another name. */
const ATTRIBUTES: Readonly<Record<string, string>> = {
  iceUfrag: 'a=ice-ufrag',
  icePwd: 'a=ice-pwd',
  fingerprint: 'a=fingerprint',
  setup: 'a=setup',
  mid: 'a=mid',
  rtp: 'a=rtpmap',
  fmtp: 'a=fmtp',
  rtcpFb: 'a=rtcp-fb',
  ext: 'a=extmap',
  ssrcs: 'a=ssrc',
  ssrcGroups: 'a=ssrc-group',
  rids: 'a=rid',
  simulcast: 'a=simulcast',
  groups: 'a=group',
  payloads: 'the m= line',
  port: 'the m= line',
  protocol: 'the m= line',
}

/**
 * Reads a session description, RFC 8866.
 * @throws CodedError `bad_sdp` (400) with a line for each fault: where, and what
 */
export function readSessionDescription(text: string): SessionDescription {
  if (Buffer.byteLength(text) > MAX_SDP_BYTES)
    throw badSdp([`the description is longer than ${MAX_SDP_BYTES} bytes`])
  refuseBrokenLines(text)
  let parsed: unknown
  try {
    parsed = parse(text)
  } catch {
    throw badSdp(['it can not be read as a session description, RFC 8866'])
  }
  const session = sessionSchema.safeParse(parsed)
  if (session.success) return session.data
  throw badSdp(session.error.issues.slice(0, 10).map(({ path, message }) => `${placeOf(path)}: ${message}`))
}

/** @param details a line for each fault: where, and what would be right */
export function badSdp(details: readonly string[]): CodedError {
  return new CodedError('bad_sdp', 'the session description is not valid', {
    details,
  })
}

/** The name of a media section in messages, counted from 1. */
export function sectionName(index: number, { type, mid }: Pick<MediaDescription, 'type' | 'mid'>): string {
  return `media section ${index + 1} (${type}${mid === undefined ? '' : `, mid ${mid}`})`
}

/** The parser ignores what it does not know, so broken lines are looked for here. */
function refuseBrokenLines(text: string): void {
  const lines = text.split(/\r?\n/)
  const last = lines.findLastIndex((line) => line !== '')
  if (last >= MAX_LINES) throw badSdp([`it has ${last + 1} lines: at most ${MAX_LINES}`])
  const wrong: string[] = []
  for (const [index, line] of lines.slice(0, last + 1).entries()) {
    if (line.length > MAX_LINE_LENGTH)
      wrong.push(`line ${index + 1}: must have at most ${MAX_LINE_LENGTH} characters`)
    else if (index === 0 && line !== 'v=0') wrong.push('line 1: must be `v=0`')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what no line may hold
    else if (!/^[a-z]=[^\u0000\r]*$/.test(line)) wrong.push(`line ${index + 1}: must be \`<letter>=<value>\``)
    else if (line.startsWith('m=') && !/^m=\S+ \d+(\/\d+)? \S+( \S+)+ *$/.test(line))
      wrong.push(`line ${index + 1}: must be \`m=<media> <port> <protocol> <formats>\``)
  }
  if (last < 0) wrong.push('it is empty')
  if (wrong.length > 0) throw badSdp(wrong.slice(0, 10))
}

function placeOf(path: readonly PropertyKey[]): string {
  const [first, index, attribute, ...rest] = path
  if (first !== 'media') return attributeOf(first)
  if (typeof index !== 'number') return 'media sections'
  const within = attribute === undefined ? '' : ` ${attributeOf(attribute)}`
  const which = typeof rest[0] === 'number' && attribute !== undefined ? ` ${rest[0] + 1}` : ''
  return `media section ${index + 1}${within}${which}`
}

function attributeOf(name: PropertyKey | undefined): string {
  return ATTRIBUTES[String(name)] ?? String(name)
}
