import test from 'ava'
import type { PreparedChange, PreparedWrite } from '../../../server/store/prepared-write.ts'
import { keyText, planBatch, type Refusal, type Versions } from '../../../server/store/write-plan.ts'

type Content = Map<string, { version: number; body: string; updated_at: number }>

/** What a batch must amount to: each write alone, on a copy that is thrown away when it is refused. */
function oneByOne(content: Content, writes: readonly PreparedWrite[]): (Versions | 'refused')[] {
  return writes.map(({ changes, at }) => {
    const copy: Content = new Map(content)
    const versions: number[] = []
    for (const change of changes) {
      const key = keyText(change)
      const version = copy.get(key)?.version ?? 0
      if (change.expected_version !== undefined && change.expected_version !== version) return 'refused'
      if (change.body === null) copy.delete(key)
      else copy.set(key, { version: version + 1, body: change.body, updated_at: at })
      versions.push(change.body === null ? 0 : version + 1)
    }
    content.clear()
    for (const [key, document] of copy) content.set(key, document)
    return versions
  })
}

/** Small numbers that look random and are the same in every run (mulberry32). */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

test('a batch amounts to its writes one by one', (t) => {
  const random = numbers(1)
  const change = (): PreparedChange => ({
    kind: 'node',
    tenant_id: 't1',
    id: `n${random(4)}`,
    body: random(3) === 0 ? null : `${random(1000)}`,
    expected_version: random(2) === 0 ? undefined : random(4),
  })
  for (let round = 0; round < 300; round++) {
    const stored: Content = new Map()
    const model: Content = new Map()
    for (let batch = 0; batch < 4; batch++) {
      const writes = Array.from({ length: random(8) }, (_, index) => ({
        changes: Array.from({ length: random(4) }, change),
        audit: [{ tenant_id: 't1', at: index, actor: '', action: '', object: '', outcome: '', detail: '{}' }],
        at: random(1000),
      }))
      const plan = planBatch(writes, (key) => stored.get(keyText(key))?.version ?? 0)
      for (const { version, body, updated_at, ...key } of plan.documents)
        if (body === null) stored.delete(keyText(key))
        else stored.set(keyText(key), { version, body, updated_at })
      const expected = oneByOne(model, writes)
      t.deepEqual(
        plan.outcomes.map((outcome: Versions | Refusal) => ('code' in outcome ? 'refused' : outcome)),
        expected,
      )
      t.deepEqual(
        plan.audit.map(({ at }) => at),
        expected.flatMap((outcome, index) => (outcome === 'refused' ? [] : [index])),
      )
      t.deepEqual(new Map([...stored].sort()), new Map([...model].sort()))
    }
  }
})
