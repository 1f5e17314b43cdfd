import test from 'ava'
import { endpointsUnder, readyLinks } from '../../../server/flows/link-endpoints.ts'

const bind = (...links: string[]) => links.map((link_id) => ({ link_id, node_id: 'hub-1', weight: 0 }))
const at = (...links: (string | undefined)[]) =>
  links.map((link, index) => ({
    node_id: 'hub-1',
    address: '192.0.2.1',
    port: 9000 + index,
    ...(link !== undefined && { link }),
  }))

test('links that are not used yet have endpoints too, up to four in all', (t) => {
  t.deepEqual(readyLinks(bind('a', 'b'), ['c']), ['a', 'b', 'c'])
  t.deepEqual(readyLinks(bind('a', 'b'), ['c', 'd', 'e']), ['a', 'b', 'c', 'd'])
  t.deepEqual(readyLinks(bind('a', 'b', 'c', 'd', 'e'), ['f']), ['a', 'b', 'c', 'd', 'e'])
  t.deepEqual(readyLinks([], []), [])
})

for (const [name, endpoints, before, now, expected] of [
  ['a link with an endpoint keeps it', at('a', 'b', 'c'), ['a', 'b'], ['b', 'c'], ['a', 'b', 'c']],
  [
    'a new link takes that of a link that was not used',
    at('a', 'b', 'c'),
    ['a', 'b'],
    ['b', 'd'],
    ['a', 'b', 'd'],
  ],
  ['or else of the one that is left', at('a', 'b'), ['a', 'b'], ['b', 'c'], ['c', 'b']],
  ['a sender whose links become known', at(undefined, undefined), [], ['a', 'b', 'c'], ['a', 'b']],
  ['one whose links nobody knows any more', at('a', 'b'), ['a', 'b'], [], ['a', 'b']],
] as const)
  test(`endpoints under new bindings: ${name}`, (t) => {
    const next = endpointsUnder(endpoints, bind(...before), bind(...now))
    t.deepEqual(
      next.map(({ link }) => link),
      [...expected],
    )
    t.deepEqual(
      next.map(({ port }) => port),
      endpoints.map(({ port }) => port),
    )
  })
