import test from 'ava'
import { compareVersions } from '../../../common/release/release-version.ts'
import { releaseVersionSchema } from '../../../common/wire/release.ts'

test('versions are ordered as semver.org says, section 11', (t) => {
  const ascending = [
    '0.9.10',
    '1.0.0-1',
    '1.0.0-2',
    '1.0.0-10',
    '1.0.0-alpha',
    '1.0.0-alpha.1',
    '1.0.0-alpha.beta',
    '1.0.0-beta',
    '1.0.0-rc.1',
    '1.0.0',
    '1.0.1',
    '1.2.0',
    '1.10.0',
    '2.0.0-rc.1',
    '10.0.0',
  ]
  for (const [at, a] of ascending.entries())
    for (const [other, b] of ascending.entries())
      t.is(Math.sign(compareVersions(a, b)), Math.sign(at - other), `${a} and ${b}`)
})

test('what is no version is refused', (t) => {
  for (const text of [
    '',
    '1',
    '1.2',
    '1.2.3.4',
    '01.2.3',
    '1.2.3-',
    '1.2.3+b',
    '../1.2.3',
    '1.2.3-a..b',
    'v1.2.3',
  ])
    t.false(releaseVersionSchema.safeParse(text).success, text)
})
