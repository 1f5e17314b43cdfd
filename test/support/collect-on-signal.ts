/** Preloaded into a process (NODE_OPTIONS `--expose-gc --import`): SIGUSR2 collects its garbage, all of it. */
process.on('SIGUSR2', () => void globalThis.gc?.())
