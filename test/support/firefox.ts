import puppeteer, { type Browser, type Page } from 'puppeteer-core'
import { programOnPath } from './program-on-path.ts'

const NAMES = ['firefox-esr', 'firefox']

/** Fake devices without a question, sound without a click, and nothing that asks for the internet. */
const PREFERENCES = {
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.autoplay.default': 0,
}

/** A page together with its faults. */
export interface FirefoxPage extends AsyncDisposable {
  readonly page: Page
  readonly errors: readonly string[]
}

/**
 * A headless Firefox, driven over WebDriver BiDi. It finds no ICE candidates for 127.0.0.1, so the hub needs another
 * address (see namespaces.ts), and with that HTTPS, without which no page may use a camera.
 */
export class Firefox implements AsyncDisposable {
  readonly #browser: Browser

  private constructor(browser: Browser) {
    this.#browser = browser
  }

  /** @throws when there is no Firefox: `LANECAST_FIREFOX` names one, else the PATH is searched. */
  static async launch(): Promise<Firefox> {
    const browser = await puppeteer.launch({
      browser: 'firefox',
      executablePath: programOnPath(NAMES, 'LANECAST_FIREFOX'),
      headless: true,
      // This browser does not know the hub's own certificate authority.
      acceptInsecureCerts: true,
      extraPrefsFirefox: PREFERENCES,
      protocolTimeout: 30_000,
      handleSIGINT: false,
      handleSIGTERM: false,
      handleSIGHUP: false,
    })
    return new Firefox(browser)
  }

  /** Opens `url` in a context of its own (no shared cache or storage). */
  async open(url: string, viewport = { width: 1280, height: 720 }): Promise<FirefoxPage> {
    const context = await this.#browser.createBrowserContext()
    const page = await context.newPage()
    await page.setViewport(viewport)
    const errors: string[] = []
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(`console: ${message.text()}`)
    })
    page.on('pageerror', (error) => errors.push(`exception: ${String(error)}`))
    await page.goto(url)
    return { page, errors, [Symbol.asyncDispose]: () => context.close() }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close()
  }
}
