import { build } from 'vite'

/** A script of a module with all that it imports, to be evaluated in a page. @param entry path of the module */
export async function pageScript(entry: string): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      target: 'es2022',
      lib: { entry, formats: ['es'], fileName: 'script' },
      rollupOptions: { output: { codeSplitting: false } },
    },
  })
  const output = Array.isArray(built) ? built[0]! : built
  if (!('output' in output)) throw new Error('nothing was built')
  return `(async () => {${output.output[0].code}})()`
}
