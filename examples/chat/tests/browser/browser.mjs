// Opens pages in the system's Chromium for a test: one browser, several people, and every complaint of a page counts.

import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { chromium } from 'playwright-core'

// The names that `cargo xtask test` looks for, in its order.
const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome']

const ARGUMENTS = [
  '--no-sandbox', // Chromium refuses to run as root with its sandbox, and build servers are root.
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  // A test talks to the server under test and to nobody else.
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

// How long a page may take for anything it is waited for, in milliseconds: a slow build server needs a few seconds.
export const PATIENCE = 15_000

// Starts the browser. Close it with `close()`, which fails if a page complained.
export async function launch() {
  const browser = await chromium.launch({ executablePath: findChromium(), args: ARGUMENTS, headless: true })
  return new Browser(browser)
}

// Runs `scenario(browser)` and closes the browser whatever happens: one that stays open would keep the test from ending.
// A scenario that fails leaves a picture of each tab in `pictures`, if that is given.
export async function withBrowser(scenario, { pictures } = {}) {
  const browser = await launch()
  try {
    await scenario(browser)
  } catch (failure) {
    if (pictures) await browser.screenshots(pictures)
    // What the pages complained about is often the cause; the failure of the scenario stays the error.
    await browser.close().catch((complaints) => console.error(complaints.message))
    throw failure
  }
  await browser.close()
}

// The file that CHROMIUM names, or the first of PROGRAMS on the PATH.
export function findChromium() {
  const named = process.env.CHROMIUM
  if (named) return named
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean)
  for (const name of PROGRAMS) {
    for (const folder of folders) {
      const file = join(folder, name)
      try {
        accessSync(file, constants.X_OK)
        return file
      } catch {
        // Not here: the next folder.
      }
    }
  }
  throw new Error(`no ${PROGRAMS.join(', ')} on the PATH; \`cargo xtask test\` installs one, CHROMIUM names another`)
}

class Browser {
  #browser
  #tabs = []

  constructor(browser) {
    this.#browser = browser
  }

  // The browser's version, for the log of a run.
  get version() {
    return this.#browser.version()
  }

  // A tab of a person of their own: no cookies and no storage shared with anyone else's. `viewport` is the size of the
  // window in CSS pixels; `{ width: 390, height: 844 }` is a phone.
  async person(name, { viewport = { width: 1200, height: 800 } } = {}) {
    const context = await this.#browser.newContext({ viewport })
    context.setDefaultTimeout(PATIENCE)
    const tab = new Tab(name, await context.newPage())
    this.#tabs.push(tab)
    return tab
  }

  // Saves what each tab shows as `failed-NAME.png` in `folder`.
  async screenshots(folder) {
    await Promise.allSettled(this.#tabs.map((tab) => tab.screenshot(join(folder, `failed-${tab.name}.png`))))
  }

  // Ends the browser, then throws if any tab has complaints that nobody expected.
  async close() {
    await this.#browser.close()
    const complaints = this.#tabs.flatMap((tab) => tab.complaints)
    if (complaints.length > 0) {
      throw new Error(`the pages complained ${complaints.length} times:\n  ${complaints.join('\n  ')}`)
    }
  }
}

class Tab {
  #expected = []

  // Of the person, as it stands in every message.
  name

  // Playwright's page, for what this class has no word for: `fill`, `click`, `locator`, `evaluate`.
  page

  // Errors in the console, exceptions that nobody caught, and crashes, each with the person's name.
  complaints = []

  constructor(name, page) {
    this.name = name
    this.page = page
    page.on('console', (message) => {
      if (message.type() === 'error') this.#complain(`console: ${message.text()} (${message.location().url})`)
    })
    page.on('pageerror', (error) => this.#complain(`exception: ${error.stack ?? error}`))
    page.on('crash', () => this.#complain('the page crashed'))
  }

  // Opens an address; an answer that is not a success fails.
  async open(url) {
    const response = await this.page.goto(url).catch((error) => this.#fail(error.message))
    if (response && !response.ok()) this.#fail(`${url} answered ${response.status()}`)
  }

  // Waits until `what` holds, at most `within` milliseconds. A string is a selector of something visible; a function is
  // asked again until it returns (or resolves to) something true, which is the result. The error shows the last answer.
  async waitFor(what, { within = PATIENCE, because = String(what) } = {}) {
    if (typeof what === 'string') {
      const element = this.page.locator(what).first()
      return await element.waitFor({ timeout: within }).catch((error) => this.#fail(error.message))
    }
    const deadline = Date.now() + within
    let answer
    for (;;) {
      answer = await what(this.page)
      if (answer) return answer
      if (Date.now() >= deadline) break
      // A page tells nobody when it changes; a look every 50 ms costs little and is soon enough.
      await new Promise((wake) => setTimeout(wake, 50))
    }
    this.#fail(`not within ${within} ms: ${because}; the last answer was ${JSON.stringify(answer)}`)
  }

  // The text of every element that the selector finds, in the page's order.
  async texts(selector) {
    return await this.page.locator(selector).allInnerTexts()
  }

  // Saves what the window shows as a PNG.
  async screenshot(path) {
    await this.page.screenshot({ path })
  }

  // Complaints that match are part of the test from now on: a server that is killed makes the page complain.
  expect(pattern) {
    this.#expected.push(pattern)
  }

  // From now on complaints count again, whatever was expected.
  expectNothing() {
    this.#expected = []
  }

  #fail(message) {
    throw new Error(`${this.name}: ${message}`)
  }

  #complain(text) {
    if (!this.#expected.some((pattern) => pattern.test(text))) this.complaints.push(`${this.name}: ${text}`)
  }
}
