import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import test from 'ava'
import { broadcastStatusSchema } from '../../common/wire/node-report.ts'
import { Chromium } from '../support/chromium.ts'
import { freeTcpPorts } from '../support/tcp-ports.ts'
import { until } from '../support/until.ts'
import { untilPicturesMove, untilState } from '../support/watch-page.ts'
import { readFleetOptions } from './fleet-options.ts'

const MAIN = resolve(import.meta.dirname, 'main.ts')

test('arguments that are wrong are named, all at once', (t) => {
  t.is(readFleetOptions(['--help']), null)
  t.like(readFleetOptions([]), { senders: 2, links: 3, trace: 'lte-drive', class: 'director' })
  const wrong = ['--senders', '9', '--trace', 'by-sea', '--bind', 'here']
  const error = t.throws(() => readFleetOptions(wrong))
  for (const said of [/--senders/, /--trace: is none of none, lte-walk/, /--bind: is HOST:PORT/])
    t.regex(error.message, said)
})

test('senders behind uplinks of their own are watched by a browser outside', async (t) => {
  const [port = 0] = await freeTcpPorts(1)
  const args = ['--senders', '1', '--links', '2', '--trace', 'none', '--json', '--bind', `127.0.0.1:${port}`]
  const fleet = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(fleet, 'exit')
  t.teardown(() => fleet.kill('SIGTERM'))
  const lines: unknown[] = []
  createInterface({ input: fleet.stdout }).on('line', (line) => lines.push(JSON.parse(line)))
  const last = () => broadcastStatusSchema.safeParse(lines.at(-1)).data
  await until(() => last()?.state === 'live', 'the sender is live', 40_000)
  await using chromium = await Chromium.launch({ flags: ['--ignore-certificate-errors'] })
  const { page } = await chromium.open(`https://127.0.0.1:${port}/watch/cam-1`)
  await untilState(page, 'live')
  await untilPicturesMove(page)
  t.deepEqual(
    last()?.links.map(({ link_id }) => link_id),
    ['link-1', 'link-2'],
  )
  fleet.kill('SIGINT')
  const [code] = await ended
  t.is(code, 0)
})
