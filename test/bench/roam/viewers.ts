import type { Page } from 'playwright-core'
import type { RoamingLab } from '../../support/roaming-lab.ts'
import { watchShown } from '../../support/shown-pictures.ts'
import { untilState } from '../../support/watch-page.ts'
import { type Measured, measure, type RoamCase, RUNS } from './case.ts'

/** Another network with another address, from one moment to the next. */
export const viewerNewAddress: RoamCase = {
  name: 'viewer-new-address',
  run: (lab, say) => changes(lab, say, async () => {}),
}

/**
 * The same, of a browser that may use its camera: it binds its sockets to addresses, and hears of new addresses late.
 * The other network is there before the present one goes, as on a phone.
 */
export const viewerBoundNewAddress: RoamCase = {
  name: 'viewer-bound-new-address',
  run: (lab, say) =>
    changes(lab, say, (page) => page.context().grantPermissions(['camera', 'microphone']), {
      prepared: true,
    }),
}

/** UDP is blocked in the middle of the stream. */
export const viewerUdpBlocked: RoamCase = {
  name: 'viewer-udp-blocked',
  async run(lab, say) {
    await using machine = await lab.openMachine()
    const measured: Measured[] = []
    const page = await machine.watch('field')
    for (let run = 1; run <= RUNS; run++) {
      say(`run ${run} of ${RUNS}`)
      if (run > 1) await again(page)
      measured.push(await measure(lab, { page, happens: () => machine.networks.drop('meta l4proto udp') }))
      await machine.networks.dropNothing()
    }
    return measured
  },
}

async function changes(
  lab: RoamingLab,
  say: (what: string) => void,
  prepare: (page: Page) => Promise<void>,
  { prepared = false } = {},
): Promise<Measured[]> {
  await using machine = await lab.openMachine()
  const page = await machine.watch('field')
  await prepare(page)
  const measured: Measured[] = []
  for (let run = 1; run <= RUNS; run++) {
    say(`run ${run} of ${RUNS}`)
    if (prepared) await machine.networks.prepare()
    if (prepared || run === 1) await again(page)
    measured.push(await measure(lab, { page, happens: () => machine.networks.change() }))
  }
  return measured
}

/** Joins from the beginning. */
async function again(page: Page): Promise<void> {
  await page.reload()
  await untilState(page, 'live')
  await watchShown(page)
}
