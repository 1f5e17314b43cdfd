import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, normalize } from 'node:path'
import test from 'ava'
import { parse } from 'yaml'
import { readConfig } from '../../server/config/config.ts'
import { SETTINGS } from '../../server/config/settings.ts'
import { WANTED_BYTES } from '../../tools/doctor/checks/socket-buffers.ts'
import { filledIn, instructions, ROOT, textOf, unitLines, VARIABLES, wordsOf } from './deploy-files.ts'

const unit = unitLines(textOf('deploy/lanecast.service'))
const value = (key: string) => unit.filter(([, name]) => name === key).map(([, , text]) => text)
const container = instructions(textOf('deploy/Containerfile'))
const compose = parse(textOf('deploy/compose.yml')) as {
  services: Record<string, Record<string, unknown>>
  volumes: Record<string, unknown>
}
const PLACE = '/opt/lanecast/'

/** Words of a command that are files of the repository, under /opt/lanecast. */
function filesOf(words: readonly string[]): string[] {
  return words
    .map((word) => (word.startsWith(PLACE) ? word.slice(PLACE.length) : word))
    .filter((word) => /^(server|tools|node_modules)\//.test(word))
}

/** Flags of a command that no program would take. */
function strangeFlags(words: readonly string[]): string[] {
  const known = new Set(['--config', ...Object.values(SETTINGS).map(({ flag }) => `--${flag}`)])
  return words.filter((word) => word.startsWith('--') && !known.has(word))
}

test('every file, flag and variable of the unit exists', (t) => {
  for (const command of value('ExecStart')) {
    const words = command.split(' ')
    t.is(filesOf(words).length, 2, command)
    for (const file of filesOf(words)) t.true(existsSync(join(ROOT, file)), file)
    t.deepEqual(strangeFlags(words), [])
  }
  t.deepEqual(value('WorkingDirectory'), ['/opt/lanecast'])
  for (const pair of value('Environment')) t.true(VARIABLES.has(pair.split('=')[0]!), pair)
  // The master keys stand beside the data folder, and both must be in the folder that the hub may write.
  const [state] = value('StateDirectory')
  t.true(value('Environment').includes(`DATA_DIR=/var/lib/${state}/data`))
  const [group] = value('SupplementaryGroups')
  t.regex(textOf('deploy/lanecast.sysusers'), new RegExp(`^g ${group} `, 'm'))
  for (const documented of value('Documentation'))
    t.true(existsSync(join(ROOT, documented.replace(`file://${PLACE}`, ''))))
})

test('every file, package, variable and port of the container file exists', (t) => {
  for (const { name, words } of container) {
    if (name === 'COPY' && !words.startsWith('--from')) t.is(words, '. .')
    if (name === 'ENV') for (const pair of words.split(/ +/)) t.true(VARIABLES.has(pair.split('=')[0]!), pair)
    if (name === 'ENTRYPOINT' || name === 'CMD') {
      const all = wordsOf(words)
      for (const file of filesOf(all)) t.true(existsSync(join(ROOT, file)), file)
      t.deepEqual(strangeFlags(all), [])
    }
    if (name === 'HEALTHCHECK') {
      const all = wordsOf(words.slice(words.indexOf('CMD ') + 4))
      t.is(filesOf(all).length, 2)
      for (const file of filesOf(all)) t.true(existsSync(join(ROOT, file)), file)
    }
    if (name === 'RUN')
      for (const [file] of words.matchAll(/\btools\/\S+\.sh/g)) t.true(existsSync(join(ROOT, file)), file)
  }
  const expose = container.find(({ name }) => name === 'EXPOSE')!.words
  t.true(expose.includes(`${SETTINGS.ristPorts.default}/udp`))
  t.true(expose.includes(`${SETTINGS.turnRelayPorts.default}/udp`))
  for (const port of [
    `${SETTINGS.turnPort.default}/udp`,
    `${SETTINGS.turnPort.default}/tcp`,
    `${SETTINGS.turnTlsPort.default}/tcp`,
  ])
    t.true(expose.includes(port), port)
  const first = Number(SETTINGS.rtcPort.default)
  for (const protocol of ['udp', 'tcp']) t.true(expose.includes(`${first}-${first + 7}/${protocol}`))
})

test('the image has what running needs, and runs as nobody in particular', (t) => {
  const last = container.filter(({ stage }) => stage === 1)
  const installed = last.find(({ name }) => name === 'RUN')!.words
  // What `setup.sh run` looks for (tools/setup/system-packages.sh).
  const wanted = ['ffmpeg', 'fonts-dejavu-core', 'librist4']
  const run = textOf('tools/setup/system-packages.sh').split('[[ "$1" == run ]]')[0]!
  const needed = [...run.matchAll(/missing\+=\(([\w-]+)\)/g)].map(([, name]) =>
    name!.replace(/^librist$/, 'librist4'),
  )
  t.deepEqual(needed.sort(), wanted.sort())
  for (const name of wanted) t.true(installed.includes(` ${name} `) || installed.includes(` ${name}\n`), name)
  const user = last.find(({ name }) => name === 'USER')!.words
  t.regex(user, /^[1-9]\d{4,}:[1-9]\d{4,}$/)
  t.true(last.findIndex(({ name }) => name === 'USER') < last.findIndex(({ name }) => name === 'ENTRYPOINT'))
  const volume = last.find(({ name }) => name === 'VOLUME')!.words
  t.true(last.find(({ name }) => name === 'ENV')!.words.includes(`DATA_DIR=${volume}/data`))
})

test('every file, volume and variable of the compose file exists', (t) => {
  const { services, volumes } = compose
  t.deepEqual(Object.keys(services).sort(), ['coturn', 'hub', 'postgres'])
  const { context, dockerfile } = services['hub']!['build'] as { context: string; dockerfile: string }
  t.true(existsSync(join(ROOT, 'deploy', context, dockerfile)))
  for (const name of Object.keys(services['hub']!['environment'] as object)) t.true(VARIABLES.has(name), name)
  // What a command makes is in no repository: git must not take it.
  const ignored = textOf('.gitignore').split('\n')
  for (const [name, service] of Object.entries(services))
    for (const mount of (service['volumes'] ?? []) as string[]) {
      const [source = ''] = mount.split(':')
      if (!source.startsWith('.')) t.true(source in volumes, mount)
      else {
        const file = normalize(join('deploy', source))
        t.true(existsSync(join(ROOT, file)) || ignored.includes(file), `${name}: ${file}`)
      }
    }
  for (const { name, words } of container)
    if (name === 'VOLUME')
      t.true((services['hub']!['volumes'] as string[]).some((mount) => mount.includes(`:${words}`)))
  // coturn reads the secret that the hub's image made, as the same user and in the same place.
  const coturn = services['coturn']!
  const { TURN_SECRET_FILE: secret } = services['hub']!['environment'] as { TURN_SECRET_FILE: string }
  const [, shared = ''] = (coturn['volumes'] as string[])[0]!.split(':')
  t.is(dirname(secret), shared)
  t.true((services['hub']!['volumes'] as string[]).some((mount) => mount.endsWith(`:${shared}`)))
  t.true((coturn['command'] as string[])[1]!.startsWith(`${shared}/`))
  t.is(coturn['user'], container.find(({ name }) => name === 'USER')!.words)
  t.true(container.some(({ name, words }) => name === 'RUN' && words.includes(` ${shared}`)))
  t.is(services['hub']!['read_only'], true)
  t.deepEqual(services['hub']!['cap_drop'], ['ALL'])
  t.true(ignored.includes('deploy/.env'))
})

test("no file with the operator's secrets is in the image", (t) => {
  const left = textOf('.dockerignore').split('\n')
  const isLeft = (file: string) => left.some((each) => file === each || file.startsWith(`${each}/`))
  const secrets = ['deploy/.env', ...Object.values(compose.services).flatMap(mountedFiles)]
  t.true(secrets.includes('deploy/hub.toml'))
  for (const file of secrets) t.true(isLeft(file), file)
})

function mountedFiles(service: Record<string, unknown>): string[] {
  return ((service['volumes'] ?? []) as string[])
    .filter((mount) => mount.startsWith('.'))
    .map((mount) => normalize(join('deploy', mount.split(':')[0]!)))
}

test('the example configuration is valid once it is filled in, and says which names are to be', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'lanecast-deploy-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'hub.toml')
  writeFileSync(file, filledIn())
  const read = readConfig(['--config', file], {}, {})
  if (read === 'help') return t.fail()
  t.is(read.config.streams.length, 1)
  t.is(read.config.tlsAcmeEmail, 'admin@example.com')
  const names = new Set([...textOf('deploy/hub.toml').matchAll(/"([A-Z]+)"/g)].map(([, name]) => name))
  t.deepEqual(names, new Set(['HOST', 'EMAIL', 'STUN', 'SECRET']))
  // As it stands it is refused, rather than started with a name that is nobody's.
  writeFileSync(file, textOf('deploy/hub.toml'))
  t.throws(() => readConfig(['--config', file], {}, {}), { message: /not valid/ })
})

test('the kernel settings are those that the doctor asks for', (t) => {
  const lines = textOf('deploy/90-lanecast.conf')
  for (const name of ['net.core.rmem_max', 'net.core.wmem_max'])
    t.true(lines.includes(`${name} = ${WANTED_BYTES}\n`), name)
  for (const [, name] of lines.matchAll(/^([a-z_.]+) =/gm))
    t.true(existsSync(`/proc/sys/${name!.replaceAll('.', '/')}`), name)
})

test('what the comments and pages name exists', (t) => {
  const scripts = Object.keys(
    (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object }).scripts,
  )
  const pages = [
    'deploy/Containerfile',
    'deploy/compose.yml',
    'deploy/hub.toml',
    'deploy/lanecast.service',
    'docs/operations.md',
    'README.md',
  ]
  for (const page of pages) {
    for (const [file] of textOf(page).matchAll(/\bdeploy\/[\w.-]*\w/g))
      t.true(existsSync(join(ROOT, file)) || textOf('.gitignore').includes(file), `${page}: ${file}`)
    for (const [, script] of textOf(page).matchAll(/npm run ([\w:-]+)/g))
      t.true(scripts.includes(script!), `${page}: ${script}`)
  }
})
