export default {
  extensions: ['ts'],
  workerThreads: false,
  // One file at a time: tests of media need both cores of a small machine to be real time.
  concurrency: 1,
  timeout: '60s',
  files: ['test/**/*.test.ts'],
}
