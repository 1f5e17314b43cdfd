import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import type { Enter } from './namespaces.ts'
import { programOnPath } from './program-on-path.ts'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']

/** Only the last such flag counts, so it repeats those flags of Playwright that matter here. */
const DISABLED_FEATURES = [
  // Each window's address bar would load pages of its own, which cost more than the page under test.
  ...['WebUIOmniboxPopup', 'WebUIOmniboxAimPopup', 'WebUIOmniboxFullPopup', 'AimEnabled'],
  // Features that ask for the internet.
  ...[
    'OptimizationHints',
    'MediaRouter',
    'NetworkTimeServiceQuerying',
    'PreconnectToSearch',
    'HttpsUpgrades',
  ],
  'PaintHolding',
]

const FLAGS = [
  `--disable-features=${DISABLED_FEATURES.join(',')}`,
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
  // A page in the background would be throttled, and a test that watches several streams has several pages.
  '--disable-renderer-backgrounding',
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
]

const PUBLISH_FLAGS = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']

export interface ChromiumOptions {
  /** Gives pages a fake camera and microphone. */
  readonly publish?: boolean
  readonly flags?: readonly string[]
  /** The network namespace of the browser; that of the test by default. */
  readonly enter?: Enter
}

/** A page together with its faults. */
export interface WatchedPage extends AsyncDisposable {
  readonly page: Page
  /** Console errors and warnings of the policy, uncaught exceptions and failed requests, as they came. */
  readonly errors: readonly string[]
}

/** A headless Chromium with flags that let media play; closed at the end of its scope. */
export class Chromium implements AsyncDisposable {
  readonly browser: Browser

  readonly #stack: AsyncDisposableStack

  private constructor(browser: Browser, stack: AsyncDisposableStack) {
    this.browser = browser
    this.#stack = stack
  }

  /** @throws when there is no Chromium: `LANECAST_CHROMIUM` names one, else the PATH is searched. */
  static async launch({ publish = false, flags = [], enter }: ChromiumOptions = {}): Promise<Chromium> {
    await using stack = new AsyncDisposableStack()
    const program = programOnPath(NAMES, 'LANECAST_CHROMIUM')
    const browser = await chromium.launch({
      executablePath: enter ? stack.use(await programIn(enter, program)).path : program,
      args: [...FLAGS, ...(publish ? PUBLISH_FLAGS : []), ...flags],
      // The runner's own signals end the test, which ends the browser.
      handleSIGINT: false,
      handleSIGTERM: false,
      handleSIGHUP: false,
    })
    stack.defer(() => browser.close())
    return new Chromium(browser, stack.move())
  }

  /** Opens `url` in a context of its own (no shared cache or storage). */
  async open(url: string, viewport = { width: 1280, height: 720 }): Promise<WatchedPage> {
    const context = await this.browser.newContext({ viewport })
    const page = await context.newPage()
    const errors: string[] = []
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(`console: ${message.text()}`)
    })
    page.on('pageerror', (error) => errors.push(`exception: ${error.message}`))
    page.on('requestfailed', (request) => {
      errors.push(`request: ${new URL(request.url()).pathname} ${request.failure()?.errorText ?? ''}`)
    })
    await page.goto(url)
    return { page, errors, [Symbol.asyncDispose]: () => context.close() }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}

/** A file that runs a program in a network namespace, for those who start programs by their path alone. */
async function programIn(
  enter: Enter,
  program: string,
): Promise<AsyncDisposable & { readonly path: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-enter-'))
  const path = join(folder, 'program')
  await writeFile(path, `#!/bin/sh\nexec ${enter.join(' ')} ${program} "$@"\n`, { mode: 0o700 })
  return { path, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}
