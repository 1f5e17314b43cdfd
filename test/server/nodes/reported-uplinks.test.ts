import test from 'ava'
import { nodeEntrySchema } from '../../../common/wire/topology.ts'
import { uplinksOf, withUplinks } from '../../../server/nodes/reported-uplinks.ts'

const interfaceOf = (link_id: string | null, kind: 'wired' | 'cellular' | 'vpn', carrier = true) => ({
  name: 'x',
  kind,
  carrier,
  mac: null,
  addresses: [],
  gateway: null,
  mtu: null,
  link_id,
  path: null,
  modem: null,
})
const link = (link_id: string, medium: 'wired' | 'cellular' | 'overlay' = 'wired') => ({
  link_id,
  to: 'hub',
  medium,
  tsn: false,
  capacity_kbps: null,
})
const entryOf = (links: object[], reported_links: string[]) =>
  nodeEntrySchema.parse({ role: 'sender', links, reported_links, created_at: 0 })

test('uplinks are the interfaces with a link id, once each, eight at most, those with a carrier first', (t) => {
  const many = Array.from({ length: 12 }, (_, index) => interfaceOf(`l${index}`, 'wired', index > 5))
  t.deepEqual(
    uplinksOf(many, 'hub').map(({ link_id }) => link_id),
    ['l6', 'l7', 'l8', 'l9', 'l10', 'l11', 'l0', 'l1'],
  )
  const some = [interfaceOf(null, 'wired'), interfaceOf('a', 'vpn'), interfaceOf('a', 'wired')]
  t.deepEqual(uplinksOf(some, 'hub'), [link('a', 'overlay')])
})

test('links that somebody declared stay; those of reports come, change and go', (t) => {
  const declared = { ...link('eth0'), capacity_kbps: 5000 }
  const cases = [
    [
      'a new one',
      entryOf([declared], []),
      [link('lte', 'cellular')],
      [],
      [declared, link('lte', 'cellular')],
      ['lte'],
    ],
    ['the same again', entryOf([link('lte')], ['lte']), [link('lte')], [], null, null],
    [
      'another medium',
      entryOf([link('lte')], ['lte']),
      [link('lte', 'cellular')],
      [],
      [link('lte', 'cellular')],
      ['lte'],
    ],
    ['declared by somebody', entryOf([declared], []), [link('eth0', 'cellular')], [], null, null],
    ['its time is over', entryOf([declared, link('lte')], ['lte']), [], ['lte', 'eth0'], [declared], []],
    ['never seen', entryOf([declared], []), [], ['eth0', 'x'], null, null],
  ] as const
  for (const [name, entry, uplinks, over, links, reported] of cases) {
    const next = withUplinks(entry, uplinks, over)
    t.deepEqual(next && [next.links, next.reported_links], links && [links, reported], name)
  }
})
