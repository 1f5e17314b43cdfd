import { X509Certificate } from 'node:crypto'
import test from 'ava'
import { isGoodButForTime } from '../../../agent/node/untimely-certificate.ts'
import { generateKeys } from '../../../server/auth/authority-keys.ts'
import { signAuthority, signerOf, signLeaf } from '../../../server/auth/issued-certificate.ts'

const NOW = Date.UTC(2030, 0, 1)
const DAY = 86_400_000

/** A CA, and what it signs. */
async function authority(name: string) {
  const keys = await generateKeys()
  const certificate = (await signAuthority(name, keys, NOW + 3650 * DAY, NOW - 365 * DAY)).toString('pem')
  const signer = signerOf(certificate, keys.privateKey)
  return {
    pinned: new X509Certificate(certificate),
    /** A certificate that is valid from `from` to `to`, days from now. */
    async sign(from: number, to: number, usage: 'client' | 'server' = 'server'): Promise<X509Certificate> {
      const { publicKey } = await generateKeys()
      const request = { commonName: 'hub', names: [], usage, publicKey, notAfter: NOW + to * DAY }
      return new X509Certificate((await signLeaf(signer, request, NOW + from * DAY)).toString('pem'))
    },
  }
}

const NOT_YET = 'CERT_NOT_YET_VALID'
const EXPIRED = 'CERT_HAS_EXPIRED'

test('only time is forgiven, and only after what the node knows', async (t) => {
  // The same name twice: a signature counts, not a name.
  const [ours, foreign] = await Promise.all([authority('Lanecast'), authority('Lanecast')])
  const fresh = await ours.sign(-1, 30)
  const cases = [
    ['a fresh certificate, on a machine that is behind', fresh, NOT_YET, true],
    ['a fresh certificate, on a machine that is ahead', fresh, EXPIRED, true],
    ['one that expired before the node was made', await ours.sign(-60, -20), EXPIRED, false],
    ['one that expired since', await ours.sign(-40, -5), EXPIRED, true],
    ['one of another CA of the same name', await foreign.sign(-1, 30), NOT_YET, false],
    ['one of a node', await ours.sign(-1, 30, 'client'), NOT_YET, false],
    ['the CA itself', ours.pinned, NOT_YET, false],
    ['another fault', fresh, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', false],
  ] as const
  for (const [what, certificate, problem, isGood] of cases)
    t.is(
      isGoodButForTime({ problem, certificate, pinned: [ours.pinned], knownSince: NOW - 10 * DAY }),
      isGood,
      what,
    )
  t.false(isGoodButForTime({ problem: NOT_YET, certificate: fresh, pinned: [], knownSince: 0 }))
})
