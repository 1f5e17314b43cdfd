import { isDeepStrictEqual } from 'node:util'
import { type Change, cursorOf, type Store } from '../../../server/store/store.ts'

/** How many records the fixtures' audit trails have. */
export const FIXTURE_RECORDS = 5

const BODIES: Record<string, unknown> = {
  n1: { role: 'sender', capabilities: ['rist', 'srt'], links: [{ link_id: 'lte-0', rtt_ms: 42.5 }] },
  n2: { role: 'hub', text: 'Größe "x" \\ \u0000 \u{1f600}', nothing: null },
  n3: [],
}

const change = (kind: string, tenant_id: string, id: string): Change => ({
  op: 'put',
  kind,
  tenant_id,
  id,
  body: BODIES[id],
})

/** Fills an empty store with what every fixture holds: two kinds, two tenants, a second version, a deleted document. */
export async function writeFixture(store: Store): Promise<void> {
  const all = ['node', 'policy'].flatMap((kind) =>
    ['t1', 't2'].flatMap((tenant) => Object.keys(BODIES).map((id) => change(kind, tenant, id))),
  )
  const records = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      tenant_id: index % 2 ? 't1' : '_hub',
      at: 1_700_000_000_000 + index,
      actor: 'token:admin',
      action: 'node.write',
      object: `node:n${index}`,
      outcome: 'done',
      detail: { index, text: "it's \u{1f600}" },
    }))
  await store.write(all, records(4))
  await store.write(
    [change('node', 't1', 'n1'), { op: 'delete', kind: 'policy', tenant_id: 't2', id: 'n3' }],
    records(1),
  )
}

/** Whether all that `writeFixture` wrote is there, and nothing else. */
export async function hasFixture(store: Store): Promise<boolean> {
  const documents = [...(await store.list('node', null)), ...(await store.list('policy', null))]
  return isDeepStrictEqual(
    documents.map(({ kind, version, body, ...key }) => [kind, cursorOf(key), version, body]),
    ['node', 'policy']
      .flatMap((kind) =>
        ['t1', 't2'].flatMap((tenant) =>
          Object.entries(BODIES).map(([id, body]) => [kind, `${tenant} ${id}`, 1, body] as const),
        ),
      )
      .filter(([kind, key]) => !(kind === 'policy' && key === 't2 n3'))
      .map(([kind, key, version, body]) => [
        kind,
        key,
        kind === 'node' && key === 't1 n1' ? 2 : version,
        body,
      ]),
  )
}
