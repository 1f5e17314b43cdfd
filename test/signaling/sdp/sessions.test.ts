import test from 'ava'
import { CodedError } from '../../../common/errors.ts'
import { readOffer } from '../../../signaling/sdp/offer.ts'
import type { SdpSessionOptions, SessionMedia } from '../../../signaling/sdp/sdp-session.ts'
import { SdpSessions } from '../../../signaling/sdp/sdp-sessions.ts'
import { PLAYER_OFFER } from '../../support/offers.ts'
import { until } from '../../support/until.ts'

/** Media that only remembers what became of it. */
function mediaThat(dtlsState: string): SessionMedia & { ended: number } {
  const iceParameters = { usernameFragment: 'hubs', password: 'x', iceLite: true }
  return {
    ended: 0,
    transport: {
      iceParameters,
      iceCandidates: [],
      dtlsParameters: { fingerprints: [] },
      dtlsState,
      restartIce: async () => iceParameters,
    },
    [Symbol.dispose]() {
      this.ended += 1
    },
  }
}

const optionsWith = (media: SessionMedia, ended = () => {}): SdpSessionOptions => ({
  door: 'whep',
  streamId: 'cam',
  owner: 'somebody',
  anonymous: false,
  offer: readOffer(PLAYER_OFFER),
  media,
  left: async () => {},
  restarted: () => {},
  ended,
})

test('a session ends when its client never connects, and once', async (t) => {
  using sessions = new SdpSessions(10, 20)
  let ended = 0
  const [never, connected] = [mediaThat('new'), mediaThat('connected')]
  const session = await sessions.open(false, async () => optionsWith(never, () => ended++))
  await sessions.open(false, async () => optionsWith(connected))
  await until(() => never.ended === 1, 'the end of what never connected')
  t.is(sessions.size, 1)
  await session.leave()
  t.deepEqual([never.ended, ended, connected.ended], [1, 1, 0])
  t.throws(() => sessions.get('whep', 'cam', session.id, 'somebody'), { instanceOf: CodedError })
})

test('there are only so many, those that are being made among them; what fails gives its place back', async (t) => {
  using sessions = new SdpSessions(2)
  const making = Promise.withResolvers<SdpSessionOptions>()
  const first = sessions.open(false, () => making.promise)
  await t.throwsAsync(
    sessions.open(false, async () => {
      throw new Error('no media')
    }),
    { message: 'no media' },
  )
  await sessions.open(false, async () => optionsWith(mediaThat('connected')))
  const error = await t.throwsAsync(sessions.open(false, async () => optionsWith(mediaThat('connected'))))
  t.true(error instanceof CodedError && error.status === 503)
  making.resolve(optionsWith(mediaThat('connected')))
  const { id } = await first
  t.is(sessions.size, 2)
  t.is(sessions.get('whep', 'cam', id, 'somebody').id, id)
  for (const [door, stream, owner] of [
    ['whip', 'cam', 'somebody'],
    ['whep', 'other', 'somebody'],
    ['whep', 'cam', 'somebody else'],
    ['whep', 'cam', null],
  ] as const)
    t.throws(() => sessions.get(door, stream, id, owner), { message: 'there is no such session' })
})

test('media that is over before its session is there leaves no session', async (t) => {
  using sessions = new SdpSessions(10)
  const media = mediaThat('connected')
  const session = await sessions.open(false, async (over) => {
    over()
    return optionsWith(media)
  })
  t.true(session.over)
  t.deepEqual([sessions.size, media.ended], [0, 1])
})

test('where there are too many, the oldest that did not connect gives way, of nobody known first', async (t) => {
  using sessions = new SdpSessions(4)
  const open = async (owner: string | null, media: ReturnType<typeof mediaThat>) => {
    const anonymous = owner === null || owner.startsWith('ticket of nobody')
    await sessions.open(anonymous, async () => ({ ...optionsWith(media), owner, anonymous }))
    return media
  }
  const connected = await open(null, mediaThat('connected'))
  const known = await open('somebody', mediaThat('new'))
  const first = await open('ticket of nobody, 1', mediaThat('new'))
  const second = await open(null, mediaThat('connecting'))
  t.deepEqual(sessions.inUse, { used: 1, anonymous: 1 })
  const next = await open('ticket of nobody, 2', mediaThat('new'))
  t.deepEqual([connected.ended, known.ended, first.ended, second.ended], [0, 0, 1, 0])
  await open('another', mediaThat('connected'))
  await open('another', mediaThat('connected'))
  t.deepEqual([known.ended, second.ended, next.ended], [0, 1, 1])
  for (const owner of [null, 'ticket of nobody, 3'])
    await t.throwsAsync(open(owner, mediaThat('new')), { message: /too many sessions/ })
  t.is(known.ended, 0, 'who proved nothing takes nothing from who did')
  await open('another', mediaThat('connected'))
  t.is(known.ended, 1)
  await t.throwsAsync(open('another', mediaThat('new')), { message: /too many sessions/ })
  t.is(sessions.size, 4)
})
