import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import test from 'ava'
import { freshLink, linkStep } from '../../../policy/link/link-state.ts'
import { News, readRecording } from './recording.ts'

const RECORDED = resolve(import.meta.dirname, '../recorded')

/**
 * Links of the `abr` bench, recorded with the bandwidth manager that decided before this machine: what the manager did
 * is what the machine is to do. Only how long a queue drains is by today's `policy/link/queue.ts`.
 */
for (const name of readdirSync(RECORDED).filter((each) => each.endsWith('.jsonl')))
  test(`on a recorded link it decides as was decided then: ${name}`, (t) => {
    const steps = readRecording(join(RECORDED, name))
    const news = new News()
    let state = freshLink(1000)
    for (const { fact, seen, news: expected } of steps) {
      const step = linkStep(state, fact, seen)
      state = step.state
      t.deepEqual(news.of(step.actions), expected, `${fact.kind} at ${seen.nowMs} ms`)
    }
    const kinds = new Set(steps.flatMap((step) => step.news.map((action) => action.do)))
    t.true(kinds.has('take') && kinds.has('probe'), 'a recording in which nothing happens proves nothing')
  })
