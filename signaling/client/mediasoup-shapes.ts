import type { types } from 'mediasoup-client'
import { z } from 'zod'
import type { iceServerSchema } from '../../common/wire/flow-contract.ts'

/*
 * mediasoup's own shapes, as the hub sends them. `common/wire` leaves them open. Here those parts are checked that
 * mediasoup-client reads unchecked.
 */

const record = z.record(z.string(), z.unknown())

const withArrays = (value: unknown, ...names: string[]): boolean => {
  const parsed = record.safeParse(value)
  return parsed.success && names.every((name) => Array.isArray(parsed.data[name]))
}

export const routerRtpCapabilities = z.custom<types.RtpCapabilities>((value) => withArrays(value, 'codecs'))

export const receiveRtpParameters = z.custom<types.RtpParameters>((value) =>
  withArrays(value, 'codecs', 'encodings'),
)

export const iceParameters = z.object({
  usernameFragment: z.string(),
  password: z.string(),
  iceLite: z.boolean().default(false),
})

export const iceCandidates = z.array(
  z.custom<types.IceCandidate>((value) => {
    const candidate = record.safeParse(value)
    return (
      candidate.success &&
      typeof candidate.data.port === 'number' &&
      typeof candidate.data.foundation === 'string'
    )
  }),
)

export const dtlsParameters = z.custom<types.DtlsParameters>((value) => withArrays(value, 'fingerprints'))

/** ICE servers of the hub, as browsers take them. */
export function iceServersOf(servers: readonly z.infer<typeof iceServerSchema>[]): RTCIceServer[] {
  return servers.map(({ urls, username, credential }) => ({
    urls,
    ...(username !== undefined && { username }),
    ...(credential !== undefined && { credential }),
  }))
}
