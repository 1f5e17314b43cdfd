import common from './ava.config.js'

/** Tests that want a network namespace of their own; test/support/namespaces.ts runs a file of them in one. */
export default { ...common, concurrency: 1, files: ['test/namespaced/*.ts'] }
