import { CodedError, messageOf } from '../../common/errors.ts'
import { type ReleaseArchitecture, type ReleaseOffer, releaseOfferSchema } from '../../common/wire/release.ts'
import type { HubAccess } from '../node/hub-access.ts'
import { HubRefusal, refusalOf } from '../node/hub-client.ts'
import { askHub, type HubAnswer } from '../node/hub-request.ts'

const ANSWER_MS = 20_000

/** What a device asks for. */
export interface Asked {
  readonly architecture: ReleaseArchitecture
  readonly running: string
  readonly keysSerial: number
  /** By an order: this one, whatever its rollout says. */
  readonly ordered: string | undefined
}

/** The hub's answer. @throws HubRefusal, or the reason of `signal` */
export async function askForRelease(
  hub: HubAccess,
  { architecture, running, keysSerial, ordered }: Asked,
  signal: AbortSignal,
): Promise<ReleaseOffer> {
  const query = new URLSearchParams({ architecture, running, keys_serial: String(keysSerial) })
  if (ordered !== undefined) query.set('ordered', ordered)
  const answer = await ask(hub, `/v1/node/release?${query}`, signal)
  const parsed = releaseOfferSchema.safeParse(answer.json)
  if (!parsed.success)
    throw new CodedError('hub_not_understood', "the hub's answer about releases is not understood")
  return parsed.data
}

/** Bytes of a release's file. @throws HubRefusal, or the reason of `signal` */
export async function readReleasePart(
  hub: HubAccess,
  { version, architecture }: { readonly version: string; readonly architecture: ReleaseArchitecture },
  { offset, length }: { readonly offset: number; readonly length: number },
  signal: AbortSignal,
): Promise<Buffer> {
  const path = `/v1/node/releases/${version}/files/${architecture}?offset=${offset}&length=${length}`
  return (await ask(hub, path, signal)).bytes
}

async function ask(hub: HubAccess, path: string, signal: AbortSignal): Promise<HubAnswer> {
  let answer: HubAnswer
  try {
    answer = await askHub(new URL(path, hub.hubUrl), {
      method: 'GET',
      tls: hub.identity(),
      clock: hub.clock,
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
    })
  } catch (cause) {
    signal.throwIfAborted()
    throw new HubRefusal('hub_unreachable', `the hub does not answer: ${messageOf(cause)}`, { cause })
  }
  if (answer.status !== 200) throw refusalOf(answer)
  return answer
}
