import { streamIdSchema } from '../../common/wire/stream.ts'
import { type LaneInput, laneInputTextSchema } from '../../common/wire/switched-inputs.ts'

export interface PublishAddress {
  readonly streamId: string
  /** Which of several publishers of the stream this page is; left out where it is the only one. */
  readonly input?: LaneInput
}

/** The stream in `/publish/<stream_id>`, and the input in `?input=standby:2`; null for an address that names neither. */
export function publishAddress({
  pathname,
  search,
}: Pick<Location, 'pathname' | 'search'>): PublishAddress | null {
  const [, page, name = ''] = pathname.split('/')
  const streamId = streamIdSchema.safeParse(page === 'publish' ? name : '')
  const asked = new URLSearchParams(search).get('input')
  if (!streamId.success) return null
  if (asked === null) return { streamId: streamId.data }
  const input = laneInputTextSchema.safeParse(asked)
  return input.success ? { streamId: streamId.data, input: input.data } : null
}
