export default {
  extensions: ['ts'],
  workerThreads: false,
  concurrency: 2,
  timeout: '60s',
  files: ['test/**/*.test.ts'],
}
