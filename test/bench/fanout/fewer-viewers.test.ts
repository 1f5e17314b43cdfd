import test from 'ava'
import { TooManyViewers, withFewerViewers } from './fewer-viewers.ts'

test('a run that can play as many viewers as it should keeps them, and nothing is said', async (t) => {
  const said: string[] = []
  const say = (what: string) => said.push(what)
  const held = await withFewerViewers({ most: 80, least: 10 }, say, async (viewers) => `played ${viewers}`)
  t.deepEqual(held, { result: 'played 80', viewers: 80, halved: 0 })
  t.deepEqual(said, [])
})

test('viewers are halved until the machine can play them, and each time is said', async (t) => {
  const said: string[] = []
  const tried: number[] = []
  const held = await withFewerViewers(
    { most: 80, least: 10 },
    (what) => said.push(what),
    async (viewers) => {
      tried.push(viewers)
      if (viewers > 20) throw new TooManyViewers(`ours: lost at ${viewers}`)
      return viewers
    },
  )
  t.deepEqual(tried, [80, 40, 20])
  t.deepEqual(held, { result: 20, viewers: 20, halved: 2 })
  t.deepEqual(said, [
    'ours: lost at 80: again with 40 instead of 80 viewers',
    'ours: lost at 40: again with 20 instead of 40 viewers',
  ])
})

test('where the fewest are too many, the run says why it has no figure', async (t) => {
  const tried: number[] = []
  const run = async (viewers: number) => {
    tried.push(viewers)
    throw new TooManyViewers(`lost at ${viewers}`)
  }
  const error = await t.throwsAsync(withFewerViewers({ most: 80, least: 30 }, () => {}, run))
  t.is(error?.message, 'lost at 40')
  t.deepEqual(tried, [80, 40])
})

test('any other failure is no reason for fewer viewers', async (t) => {
  let runs = 0
  const run = async () => {
    runs += 1
    throw new Error('the worker died')
  }
  await t.throwsAsync(
    withFewerViewers({ most: 80, least: 10 }, () => {}, run),
    { message: 'the worker died' },
  )
  t.is(runs, 1)
})
