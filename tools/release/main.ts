// Signs and publishes releases of the field sender: `npm run release`. See docs/operations.md, "Releases of the field sender".
import { readFile, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { messageOf } from '../../common/errors.ts'
import { signedReleaseSchema } from '../../common/wire/release.ts'
import { type AdminHub, askHub, uploadRelease } from './hub.ts'
import { newKey, signKeys, signRelease } from './sign.ts'

const HELP = `Usage: npm run release -- COMMAND

  new-key FILE                                    makes a private key, and prints the public one
  sign-keys KEY... --serial N --with FILE... --out FILE
                                                  two of the keys before (at first: of these) sign the keys that devices believe
  put-keys FILE --hub URL                         gives them to a hub
  sign TARBALL... --with FILE... --out FILE [--notes TEXT]
                                                  signs the tarballs of one version
  publish FILE TARBALL... --hub URL               gives a signed release and its files to a hub
  roll-out VERSION --percent N [--tenant ID]... [--halt] --hub URL
                                                  says who gets it; --halt stops it

The hub's admin token is read from the variable LANECAST_TOKEN, or from --token-file. NODE_EXTRA_CA_CERTS names the hub's CA.
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    with: { type: 'string', multiple: true, default: [] },
    out: { type: 'string' },
    serial: { type: 'string', default: '1' },
    notes: { type: 'string', default: '' },
    hub: { type: 'string' },
    'token-file': { type: 'string' },
    percent: { type: 'string', default: '0' },
    tenant: { type: 'string', multiple: true },
    halt: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const [command = '', ...names] = positionals

const COMMANDS: Readonly<Record<string, () => Promise<void>>> = {
  'new-key': async () => tell(await newKey(nth(0))),
  'sign-keys': async () => writeOut(await signKeys(Number(values.serial), names, values.with)),
  'put-keys': async () =>
    tell(JSON.stringify(await askHub(await hub(), 'PUT', '/v1/release-keys', await json(nth(0))))),
  sign: async () => writeOut(await signRelease(names, values.notes, values.with)),
  publish: async () => {
    const signed = signedReleaseSchema.parse(await json(nth(0)))
    const fileFor = (architecture: string) =>
      names.slice(1).find((file) => file.endsWith(`_${architecture}.tar.zst`))
    tell(
      `${await uploadRelease(await hub(), signed, fileFor, tell)} is there; nobody gets it before roll-out`,
    )
  },
  'roll-out': async () => {
    const body = { percent: Number(values.percent), tenants: values.tenant ?? null, halted: values.halt }
    tell(JSON.stringify(await askHub(await hub(), 'PUT', `/v1/releases/${nth(0)}/rollout`, body)))
  },
}

process.exitCode = await main()

async function main(): Promise<number> {
  const work = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined
  if (values.help || !work) {
    process.stdout.write(HELP)
    return values.help ? 0 : 2
  }
  try {
    await work()
    return 0
  } catch (error) {
    process.stderr.write(`release ${command}: ${messageOf(error)}\n`)
    return 1
  }
}

function nth(at: number): string {
  const name = names[at]
  if (name === undefined) throw new Error('an argument is missing: see --help')
  return name
}

async function hub(): Promise<AdminHub> {
  const file = values['token-file']
  const token = file === undefined ? process.env['LANECAST_TOKEN'] : (await readFile(file, 'utf8')).trim()
  if (values.hub === undefined || !token) throw new Error('say --hub, and LANECAST_TOKEN or --token-file')
  return { url: values.hub, token }
}

async function json(file: string): Promise<object> {
  return JSON.parse(await readFile(file, 'utf8')) as object
}

async function writeOut(content: object): Promise<void> {
  if (values.out === undefined) throw new Error('say --out')
  await writeFile(values.out, `${JSON.stringify(content)}\n`)
  tell(values.out)
}

function tell(line: string): void {
  process.stdout.write(`${line}\n`)
}
