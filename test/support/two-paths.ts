import { flowContractSchema } from '../../common/wire/flow-contract.ts'
import type { StreamClass } from '../../common/wire/stream.ts'
import { startClipSender } from './clip-sender.ts'
import type { TestHub } from './hub.ts'
import { type ImpairedLink, openImpairedLink } from './impaired-link.ts'
import type { Impairment } from './impairment.ts'

/** The streams of the two paths. */
export const PATHS = ['path-a', 'path-b'] as const

/** One encoder whose very same bytes come by two paths, each to a stream of its own. */
export interface TwoPaths extends AsyncDisposable {
  readonly links: readonly ImpairedLink[]
}

export interface TwoPathsOptions {
  /** A clip of a test card. */
  readonly path: string
  readonly streamClass: StreamClass
  readonly bufferMs: number
  /** Plays the clip again and again; true by default. */
  readonly repeat?: boolean
  /** What is done to each path, both ways, from the start; nothing by default. */
  readonly impairments?: readonly Partial<Impairment>[]
}

/** Resolves when both paths have authenticated. The hub's policy should fix the class's buffer: a fit costs a gap. */
export async function openTwoPaths(
  hub: TestHub,
  { path, streamClass, bufferMs, repeat = true, impairments = [] }: TwoPathsOptions,
): Promise<TwoPaths> {
  await using stack = new AsyncDisposableStack()
  const token = await hub.issueToken({ role: 'publisher', subject: 'two-paths' })
  const links: ImpairedLink[] = []
  const destinations = []
  for (const [index, stream_id] of PATHS.entries()) {
    const body = { stream_id, class: streamClass }
    const published = await hub.api('POST', '/v1/publish', body, token)
    const { endpoints, keys } = flowContractSchema.parse(published.body)
    const { passphrase, username = '', password = '' } = keys!
    const impairment = impairments[index] ?? {}
    const link = await openImpairedLink({
      targetPort: endpoints[0]!.port,
      seed: index + 1,
      forward: impairment,
      backward: impairment,
    })
    links.push(stack.use(link))
    destinations.push({ ports: [link.port], passphrase, username, password })
  }
  const [first, ...copies] = destinations
  const clip = { path, copies, stamped: true, repeat, bufferMs: 2 * bufferMs }
  stack.use(await startClipSender(first!, clip))
  const owned = stack.move()
  return { links, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
