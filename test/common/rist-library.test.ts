import test from 'ava'
import { CodedError } from '../../common/errors.ts'
import { openRistLibrary, ristVersion } from '../../common/rist/librist.ts'

test('librist is there and says its version', (t) => {
  t.regex(ristVersion(), /^\d+\.\d+\.\d+/)
})

test('a missing library names the package to install', (t) => {
  const error = t.throws(() => openRistLibrary('librist-not-there.so.4'), { instanceOf: CodedError })
  t.is(error?.code, 'rist_library_missing')
  t.is(error?.status, 503)
  t.true(error?.details.some((detail) => detail.includes('librist4')))
})
