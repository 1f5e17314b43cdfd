import { parseArgs } from 'node:util'
import { BENCHES } from './benches.ts'
import { Progress } from './progress.ts'
import { renderTable } from './table.ts'

/** `npm run bench -- NAME [--json] [--seconds N]`: one benchmark; the last line of `--json` is one JSON object. */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    seconds: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
})
const [name = ''] = positionals
const bench = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined
if (values.help || !bench) {
  const rows = Object.entries(BENCHES).map(([each, { about }]) => `  ${each.padEnd(10)}${about}`)
  process.stdout.write(['Usage: npm run bench -- NAME [--json] [--seconds N]', '', ...rows, ''].join('\n'))
  process.exit(values.help ? 0 : 2)
}
const seconds = values.seconds === undefined ? undefined : Number(values.seconds)
if (seconds !== undefined && !(seconds >= 1 && seconds <= 3600)) {
  process.stderr.write(`--seconds: "${values.seconds}" is not allowed; allowed: 1 to 3600\n`)
  process.exit(2)
}
const progress = new Progress(process.stderr)
const result = await bench.run({ progress, ...(seconds === undefined ? {} : { seconds }) })
progress.done()
process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : renderTable(result))
process.exit(0)
