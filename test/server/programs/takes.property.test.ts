import { setImmediate as turn } from 'node:timers/promises'
import test from 'ava'
import { CodedError } from '../../../common/errors.ts'
import { Seeded } from '../../policy/seeded.ts'
import { codeOf } from '../auth/code-of.ts'
import { askerOf, programRig } from './program-rig.ts'

const CAMERAS = ['cam-1', 'cam-2', 'cam-3'] as const
const ASKERS = ['ann', 'bob'].map(askerOf)

/** What a person may do at a console, and what may happen meanwhile, in any order. */
test('any row of takes, repeats, locks, losses and deaths of the switch: one take at a time, one answer for an id', async (t) => {
  const seen = new Map<string, number>()
  for (let seed = 1; seed <= 60; seed++) {
    const random = new Seeded(seed)
    await using rig = await programRig()
    const program = await rig.create('main', CAMERAS)
    const source = rig.source('main')
    source.instant = false
    for (const camera of CAMERAS) source.health(camera, 'healthy')
    /** Answers by asker and id, in the order in which they came. */
    const answers = new Map<string, Set<string>>()
    const inputs = new Map<string, string>()
    const asked: Promise<unknown>[] = []
    const take = (): void => {
      const asker = random.pick(ASKERS)
      const request_id = random.chance(0.8) ? `r${random.int(1, 6)}` : undefined
      const key = `${asker.owner} ${request_id}`
      const input = (request_id && inputs.get(key)) || random.pick(CAMERAS)
      if (request_id) inputs.set(key, input)
      const request = { input, ...(request_id !== undefined && { request_id }) }
      const answered = program.take(asker, request)
      asked.push(
        codeOf(answered).then(async (code) => {
          seen.set(code, (seen.get(code) ?? 0) + 1)
          if (code !== 'ok') return
          const answer = await answered
          t.is(answer.input, input, `seed ${seed}`)
          if (request_id) answers.set(key, (answers.get(key) ?? new Set()).add(JSON.stringify(answer)))
        }),
      )
    }
    for (let step = 0; step < 80; step++) {
      const dice = random.next()
      const waiting = source.waiting[0]
      if (dice < 0.4) take()
      else if (dice < 0.75 && waiting) source.waiting.shift()!.happen()
      else if (dice < 0.8 && waiting)
        source.waiting.shift()!.fail(new CodedError('switch_unavailable', 'the switch process died'))
      else if (dice < 0.85)
        await codeOf(program.lock(random.pick(ASKERS), { seconds: 60, break: false }, false))
      else if (dice < 0.9) await codeOf(program.unlock(random.pick(ASKERS), random.chance(0.5)))
      else source.health(random.pick(CAMERAS), random.chance(0.7) ? 'healthy' : 'silent')
      for (let turns = random.int(0, 3); turns > 0; turns -= 1) await turn()
      t.true(source.waiting.length <= 1, `seed ${seed}, step ${step}: two takes at a time`)
    }
    await rig.programs.remove(ASKERS[0]!, program)
    for (const waiting of source.waiting.splice(0)) waiting.fail(new CodedError('gone', 'the stream is over'))
    await Promise.all(asked)
    for (const [key, given] of answers) t.is(given.size, 1, `seed ${seed}: ${key} has one answer`)
    t.deepEqual(rig.errors, [], `seed ${seed}`)
  }
  t.log(Object.fromEntries(seen))
  for (const code of ['ok', '409 program_locked', '409 input_not_live', '503 switch_unavailable', '410 gone'])
    t.true((seen.get(code) ?? 0) > 10, `${code} came ${seen.get(code)} times`)
})
