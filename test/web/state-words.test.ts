import test from 'ava'
import { type ViewerFacts, viewerState } from '../../signaling/client/viewer-state.ts'
import { noticeOf, remarkOn } from '../../web/state-words.ts'

/** What the page says of a stream's state that the hub has told. */

const watching = (stream: ViewerFacts['stream']): ViewerFacts => ({
  trouble: null,
  stream,
  delivering: true,
  everJoined: true,
  interrupted: false,
  lastClosing: '',
  undecodable: null,
  keyframeEveryMs: null,
})

test('pictures that stopped are the sender’s, and said over the last picture', (t) => {
  const state = viewerState(watching({ state: 'no_picture', reason: 'no pictures arrive' }))
  t.deepEqual(noticeOf(state), { title: 'No picture', detail: 'No pictures arrive.', busy: true })
  t.is(remarkOn(state, true), null)
})

test('what is lost before the hub is not put down to the viewer’s connection', (t) => {
  const state = viewerState(watching({ state: 'live', disturbed: 'pictures are missing' }))
  t.is(noticeOf(state), null)
  t.like(remarkOn(state, true), { about: 'disturbed', text: 'pictures are missing' })
  t.like(remarkOn(viewerState(watching({ state: 'live' })), true), { about: 'sound-only' })
})

test('a picture that is smaller than usual is said, and plays', (t) => {
  const state = viewerState(watching({ state: 'live', reduced: 'the input sends one size' }))
  t.is(noticeOf(state), null)
  t.like(remarkOn(state, false), { about: 'reduced', text: 'the input sends one size' })
})

test('a slate says for itself that the signal is lost', (t) => {
  t.is(noticeOf(viewerState(watching({ state: 'input_lost', slate: true }))), null)
  t.like(noticeOf(viewerState(watching({ state: 'input_lost' }))), { title: 'Signal lost' })
})

test('sound that is left out is said beside the picture, which plays', (t) => {
  const state = viewerState(watching({ state: 'live', sound_refused: 'it is multichannel Opus' }))
  t.like(remarkOn(state, false), { about: 'sound-refused', text: 'it is multichannel Opus' })
  t.is(remarkOn(viewerState(watching({ state: 'live' })), false), null)
})
