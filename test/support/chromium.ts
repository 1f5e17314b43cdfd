import { type Browser, chromium, type Page } from 'playwright-core'
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

  private constructor(browser: Browser) {
    this.browser = browser
  }

  /** @throws when there is no Chromium: `LANECAST_CHROMIUM` names one, else the PATH is searched. */
  static async launch({ publish = false, flags = [] }: ChromiumOptions = {}): Promise<Chromium> {
    const browser = await chromium.launch({
      executablePath: programOnPath(NAMES, 'LANECAST_CHROMIUM'),
      args: [...FLAGS, ...(publish ? PUBLISH_FLAGS : []), ...flags],
      // The runner's own signals end the test, which ends the browser.
      handleSIGINT: false,
      handleSIGTERM: false,
      handleSIGHUP: false,
    })
    return new Chromium(browser)
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
    await this.browser.close()
  }
}
