// One person at the chat page: what they do, and what they must see.

import { join } from 'node:path'

export class Person {
  #pictures

  // `pictures` is the folder for screenshots.
  constructor(tab, pictures) {
    this.tab = tab
    this.page = tab.page
    this.#pictures = pictures
  }

  async logIn(name) {
    await this.page.getByLabel('Your name').fill(name)
    await this.page.getByRole('button', { name: 'Enter the chat' }).click()
    await this.seesState('online')
  }

  async join(room) {
    const narrow = this.page.locator('#show-rooms')
    if (await narrow.isVisible()) await narrow.click()
    await this.page.getByLabel('Join or create a room').fill(room)
    await this.page.getByRole('button', { name: 'Join', exact: true }).click()
    await this.sees('#room-title', room)
    await this.tab.waitFor(async (page) => (await page.locator('#people li').count()) > 0)
  }

  async type(text) {
    await this.page.getByLabel('Message', { exact: true }).fill(text)
  }

  async say(text) {
    await this.type(text)
    await this.page.getByRole('button', { name: 'Send' }).click()
  }

  async messages() {
    return await this.page.locator('#log .bubble').allTextContents()
  }

  // Exactly these, in this order, all of them sent.
  async seesMessages(texts) {
    const all = JSON.stringify(texts)
    await this.tab.waitFor(async () => JSON.stringify(await this.messages()) === all, { because: `messages ${all}` })
    await this.tab.waitFor(async (page) => (await page.locator('.message.pending').count()) === 0)
  }

  async sees(selector, text) {
    const seen = async () => (await this.page.locator(selector).allTextContents()).some((each) => each.includes(text))
    await this.tab.waitFor(seen, { because: `${selector} says ${text}` })
  }

  async seesPeople(names) {
    const there = async () => {
      const labels = await this.page.locator('#people .label').allTextContents()
      return JSON.stringify(labels.map((label) => label.replace(' (you)', ''))) === JSON.stringify(names)
    }
    await this.tab.waitFor(there, { because: `people ${names}` })
  }

  async seesState(state) {
    // A page that was away for long waits for up to 30 s, and a state is passed through quickly.
    await this.tab.page.locator(`#connection[data-state="${state}"]`).waitFor({ state: 'attached', timeout: 40_000 })
  }

  // Saves what the window shows, which must be all of the page: only the messages scroll.
  async picture(name) {
    const tooBig = await this.page.evaluate(() =>
      [document.documentElement, ...document.querySelectorAll('.chat, .conversation, .bar, .composer, .log')]
        .filter((each) => each.scrollWidth > each.clientWidth || (each.scrollHeight > each.clientHeight && !each.matches('.log')))
        .map((each) => `${each.className || each.tagName} ${each.scrollWidth}×${each.scrollHeight}`),
    )
    if (tooBig.length > 0) throw new Error(`${name}: too big for its place: ${tooBig.join(', ')}`)
    await this.tab.screenshot(join(this.#pictures, `${name}.png`))
  }
}
