import common from './ava.config.js'

/** Test files that start hubs, databases or programs, or search widely: the whole run has them. */
const THOROUGH = [
  'test/fuzz/**',
  'test/tools/**',
  'test/deploy/{commands,unit}.test.ts',
  'test/turn/{node-turn-defects,uclient}.test.ts',
  'test/server/api/{stalls,who-may,routes.property}.test.ts',
  'test/server/audit/{tampering-*,audit-verify-cli}.test.ts',
  'test/server/auth/admin-token.test.ts',
  'test/server/tls/acme/pebble*.test.ts',
  'test/server/slates/**',
  'test/server/store/{kill,postgres-*,store-watch,damaged}.test.ts',
]

/** For everyday work: no browser, no media, no other program. */
export default { ...common, files: [...common.files, ...THOROUGH.map((pattern) => `!${pattern}`)] }
