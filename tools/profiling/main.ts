import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { Progress } from '../../test/bench/progress.ts'
import { countSamples, type ProfilingTool, TOOLS } from './clinic-data.ts'

/** `npm run profile -- TOOL TARGET [--seconds N]`: runs a target under real load in one of clinic's tools. */
const HERE = import.meta.dirname
/** Folder of reports, and of clinic's scratch files, which it leaves in its working folder. */
const REPORTS = resolve(HERE, '../../.clinic')
const CLINIC = resolve(HERE, 'node_modules/clinic/bin.js')
const TARGETS = {
  hub: { entry: resolve(HERE, 'profiled-hub.ts'), about: 'the hub with two field streams' },
  ingest: { entry: resolve(HERE, 'profiled-ingest.ts'), about: 'one ingress process with its field stream' },
} as const
const DEFAULT_SECONDS = 20

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: String(DEFAULT_SECONDS) },
    help: { type: 'boolean', short: 'h' },
  },
})
const [tool = '', target = ''] = positionals
const seconds = Number(values.seconds)
if (values.help || !isTool(tool) || !isTarget(target) || !(seconds >= 5 && seconds <= 600)) {
  process.stderr.write(usage())
  process.exit(values.help ? 0 : 2)
}
const progress = new Progress(process.stderr)
try {
  await installClinic()
  const report = await profile(tool, TARGETS[target].entry)
  progress.done()
  process.stdout.write(`${report}\n`)
} catch (error) {
  progress.done()
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

function usage(): string {
  const rows = Object.entries(TARGETS).map(([name, { about }]) => `  ${name.padEnd(14)}${about}`)
  return [
    `Usage: npm run profile -- <${TOOLS.join('|')}> <${Object.keys(TARGETS).join('|')}> [--seconds N]`,
    '',
    ...rows,
    `  --seconds     how long it is watched under load, 5 to 600; ${DEFAULT_SECONDS} unless told`,
    '',
  ].join('\n')
}

function isTool(name: string): name is ProfilingTool {
  return TOOLS.some((each) => each === name)
}

function isTarget(name: string): name is keyof typeof TARGETS {
  return Object.hasOwn(TARGETS, name)
}

/** clinic is large and rarely needed, so it has its own folder and lock file. */
async function installClinic(): Promise<void> {
  if (existsSync(CLINIC)) return
  const install = promisify(execFile)(
    'npm',
    ['ci', '--prefix', HERE, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
    { cwd: HERE, maxBuffer: 1 << 24 },
  )
  await waiting('installing clinic, this once (about 155 MB)', install)
}

/** @returns what to tell the user at the end */
async function profile(tool: ProfilingTool, entry: string): Promise<string> {
  await mkdir(REPORTS, { recursive: true })
  const command = [process.execPath, entry, '--seconds', String(seconds)]
  const name = `${target}-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}`
  const options = ['--open=false', '--dest', REPORTS, '--name', name]
  // NO_INSIGHT: otherwise clinic asks about usage statistics, nobody answers, and on Node 24 it then does nothing.
  const child = spawn(process.execPath, [CLINIC, tool, ...options, '--', ...command], {
    cwd: REPORTS,
    env: { ...process.env, NO_INSIGHT: '1', NO_UPDATE_NOTIFIER: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const ended = once(child, 'close').then(([code]) => code as number | null)
  const code = await waiting(`${tool} watches ${seconds} s of load, then analyses them`, ended)
  const address = /Generated HTML file is (file:\S+\.html)/.exec(output)?.[1]
  if (code !== 0 || !address) throw new Error(`clinic made no report (exit code ${code}):\n${output}`)
  const html = fileURLToPath(address)
  const samples = await countSamples(tool, html.replace(/\.html$/, ''))
  if (samples === 0) throw new Error(`the report ${html} is empty: clinic collected nothing`)
  return `${samples} ${tool === 'bubbleprof' ? 'asynchronous events' : 'samples'}: open ${html}`
}

async function waiting<T>(what: string, promise: Promise<T>): Promise<T> {
  const startedAt = performance.now()
  const say = () => progress.say(`${what}: ${Math.round((performance.now() - startedAt) / 1000)} s`)
  const timer = setInterval(say, process.stderr.isTTY ? 1000 : 10_000)
  progress.say(what)
  try {
    return await promise
  } finally {
    clearInterval(timer)
  }
}
