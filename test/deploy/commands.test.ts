import test from 'ava'
import { filledIn, instructions, textOf, unitLines, wordsOf } from './deploy-files.ts'
import { runInPlace } from './in-place.ts'

const container = instructions(textOf('deploy/Containerfile')).filter(({ stage }) => stage === 1)
const words = (name: string) => container.find((one) => one.name === name)!.words
const environment = Object.fromEntries(
  words('ENV')
    .split(/ +/)
    .map((pair) => pair.split('=') as [string, string]),
)
const quoted = (all: readonly string[]) => all.map((word) => `'${word}'`).join(' ')

/** Waits for the hub that runs in the background, asks it, ends it, and says how it ended. */
const untilHealthy = (health: string) => `
hub=$!
for try in $(seq 60); do ${health} && break; sleep 0.5; done
${health} && echo HEALTHY
touch /opt/lanecast/x 2>/dev/null || echo READ-ONLY
kill -TERM $hub
wait $hub && echo ENDED-WELL
ls -A /var/lib/lanecast
stat -c '%a %n' /var/lib/lanecast/data /var/lib/lanecast/data.keys`

test('the commands of the container file run as they stand, on a root that is read-only, as its user', async (t) => {
  const start = quoted([...wordsOf(words('ENTRYPOINT')), ...wordsOf(words('CMD'))])
  const check = words('HEALTHCHECK')
  const health = quoted(wordsOf(check.slice(check.indexOf('CMD ') + 4)))
  const ended = await runInPlace({
    config: filledIn(),
    env: environment,
    script: `${health} || echo NOT-YET\n${start} &${untilHealthy(health)}`,
  })
  if (ended === null) return t.log('only root can make mounts')
  t.is(ended.code, 0, ended.output)
  for (const said of [
    'NOT-YET',
    'HEALTHY',
    'READ-ONLY',
    'ENDED-WELL',
    '700 /var/lib/lanecast/data',
    '600 /var/lib/lanecast/data.keys',
  ])
    t.true(ended.output.includes(said), `${said}\n${ended.output}`)
  t.regex(ended.output, /"msg":"hub is ready"/)
  // No CA and no STUN server is there: it runs all the same, and says so.
  t.regex(ended.output, /no certificate of the public CA yet/)
  t.regex(ended.output, /media addresses could not be found/)
})

test('the command of the unit runs as it stands, with its environment', async (t) => {
  const unit = unitLines(textOf('deploy/lanecast.service'))
  const values = (key: string) => unit.filter(([, name]) => name === key).map(([, , text]) => text)
  const env = Object.fromEntries(values('Environment').map((pair) => pair.split('=') as [string, string]))
  const health = '/opt/lanecast/node_modules/.bin/node tools/healthcheck.ts --config /etc/lanecast/hub.toml'
  const ended = await runInPlace({
    config: filledIn(),
    env,
    script: `${values('ExecStart')[0]} >/dev/null &${untilHealthy(health)}`,
  })
  if (ended === null) return t.log('only root can make mounts')
  t.is(ended.code, 0, ended.output)
  for (const said of ['HEALTHY', 'READ-ONLY', 'ENDED-WELL'])
    t.true(ended.output.includes(said), `${said}\n${ended.output}`)
  t.false(/admin token of this hub/.test(ended.output), 'the journal gets no token')
})

test('the doctor finds of the example what is not there, and no fault of the machine', async (t) => {
  const ended = await runInPlace({
    config: filledIn(),
    env: environment,
    script:
      '/opt/lanecast/node_modules/.bin/node tools/doctor/main.ts --config /etc/lanecast/hub.toml; echo "EXIT $?"',
  })
  if (ended === null) return t.log('only root can make mounts')
  t.regex(ended.output, /^EXIT 2$/m)
  t.regex(
    ended.output,
    /^(fault {4}|unknown {2})dns: video\.example\.com: the name( can't be resolved| servers of this machine)/m,
  )
  t.regex(ended.output, /^fault {4}media addresses: STUN_SERVER/m)
  for (const good of ['media worker', 'librist', 'database', 'ports'])
    t.false(new RegExp(`^(fault|warning) +${good}:`, 'm').test(ended.output), ended.output)
})
