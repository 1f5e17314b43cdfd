import { untilState } from '../../support/watch-page.ts'
import { type Measured, measure, type RoamCase, RUNS } from './case.ts'

/** A browser publishes with its fake camera and changes networks; another browser watches. */
export const publisherNewAddress = publishing('publisher-new-address', true)

/** The same where the other network is there only when the present one has gone. */
export const publisherLateAddress = publishing('publisher-late-address', false)

/** @param prepared the other network is there before the present one goes, as on a phone */
function publishing(name: string, prepared: boolean): RoamCase {
  return {
    name,
    async run(lab, say) {
      await using studio = await lab.openMachine()
      await using watcher = await lab.openMachine()
      const token = await lab.hub.issueToken({ role: 'publisher', subject: name })
      const studioPage = await studio.open(`/publish/${name}`)
      for (const [testId, value] of Object.entries({ codec: 'vp8', layers: 'single', height: '360' }))
        await studioPage.getByTestId(testId).selectOption(value)
      await studioPage.getByTestId('go-live').click()
      await studioPage.getByTestId('token').fill(token)
      await studioPage.getByTestId('use-token').click()
      await untilState(studioPage, 'live')
      const page = await watcher.watch(name, await lab.hub.issueToken({ role: 'viewer', subject: name }))
      const measured: Measured[] = []
      for (let run = 1; run <= RUNS; run++) {
        say(`run ${run} of ${RUNS}`)
        if (prepared) await studio.networks.prepare()
        // The browser hears of another address after 2 s.
        measured.push(await measure(lab, { page, happens: () => studio.networks.change() }))
      }
      return measured
    },
  }
}
