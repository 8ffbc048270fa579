// Two people talk: in a browser each, through a line that breaks and a server that is killed.
//
// CHAT is the server's program, FOLDER an empty folder for its database, PICTURES where screenshots go.

import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { withBrowser } from './browser.mjs'
import { Person } from './person.mjs'
import { Proxy, Server } from './server.mjs'

const { CHAT, FOLDER, PICTURES } = process.env
mkdirSync(PICTURES, { recursive: true })

const server = new Server(CHAT, ['--database', `sqlite://${join(FOLDER, 'chat.db')}?mode=rwc`])
const PHONE = { width: 390, height: 844 }

try {
  await server.start()
  await withBrowser(talk, { pictures: PICTURES })
} finally {
  await server.end('SIGKILL')
}

async function talk(browser) {
  const line = await Proxy.to(server.addresses.http)
  const ada = new Person(await browser.person('Ada'), PICTURES)
  const ben = new Person(await browser.person('Ben', { viewport: PHONE }), PICTURES)
  await ben.page.emulateMedia({ colorScheme: 'dark' })

  await ada.tab.open(`http://${server.addresses.http}/`)
  await ada.picture('login')
  await ada.logIn('Ada')
  await ada.join('garden')
  await ben.tab.open(`http://${line.address}/`)
  await ben.picture('login-phone-dark')
  await ben.logIn('Ben')
  await ben.join('garden')

  console.log('they see each other')
  await ada.sees('.event', 'Ben joined')
  for (const person of [ada, ben]) await person.seesPeople(['Ada', 'Ben'])

  console.log('they talk')
  const said = []
  const say = async (person, text) => {
    said.push(text)
    await person.say(text)
    for (const each of [ada, ben]) await each.seesMessages(said)
  }
  await say(ada, 'Hello Ben! Did you see the first tomatoes?')
  await say(ben, 'Three of them, and a fourth that is thinking about it.')
  await say(ben, 'The snails are thinking about it too.')
  await say(ada, 'Then we put a board out tonight.\nThey love boards.')
  await say(ben, '<b>Not markup</b> & "quotes" stay as they are: <img src=x onerror=alert(1)>')
  await say(ada, 'Try (https://example.org/board_(garden)?a=1&b=2). Not javascript:alert(1), ftp://x.example or http://.')
  for (const each of [ada, ben]) {
    const links = await each.page.locator('.bubble a').evaluateAll((all) => all.map((a) => [a.href, a.target, a.rel]))
    assert.deepEqual(links, [['https://example.org/board_(garden)?a=1&b=2', '_blank', 'noopener noreferrer']])
  }
  await ben.type('I have one in the')
  await ada.sees('#typing', 'Ben is typing…')
  await ada.picture('talking')
  await ben.picture('talking-phone-dark')
  await ben.type('')

  console.log('a second tab is the same person')
  const second = await ben.page.context().newPage()
  await second.goto(`http://${line.address}/#garden`)
  await second.locator('#people li[title="in 2 windows"]').waitFor({ state: 'attached' })
  await ada.seesPeople(['Ada', 'Ben'])
  await second.close()
  await ada.tab.waitFor('#people li[data-user][title=""] >> text=Ben')

  console.log('the line breaks and nothing is lost')
  ben.tab.expect(/WebSocket|ERR_CONNECTION/)
  line.cut()
  await ben.seesState('waiting')
  for (const text of ['Are you still there?', 'I think the rain got into your cable.']) {
    said.push(text)
    await ada.say(text)
    await ada.seesMessages(said)
  }
  await line.mend()
  await ben.seesState('online')
  await ben.seesMessages(said)
  await say(ben, 'Back. It was the rain.')
  assert.ok(!(await ada.tab.texts('.event')).includes('Ben left'), 'a short cut is no farewell')
  ben.tab.expectNothing()

  console.log('the server is killed and nothing is lost')
  for (const person of [ada, ben]) person.tab.expect(/WebSocket|ERR_CONNECTION/)
  // In the middle of a sentence: of these some are saved, and of those some perhaps without Ben's page being told.
  const written = [[ben, 'The'], [ben, 'rain'], [ben, 'is'], [ben, 'over,'], [ben, 'I think.']]
  const speaking = (async () => {
    for (const [person, text] of written) await person.say(text)
  })()
  await ada.sees('.bubble', 'rain')
  await server.end('SIGKILL')
  await speaking
  for (const person of [ada, ben]) await person.seesState('waiting')
  // While nobody listens.
  const later = [[ada, 'Is the server asleep?'], [ada, 'I will write it down anyway.'], [ben, 'Me too.']]
  for (const [person, text] of later) await person.say(text)
  assert.equal(await ada.page.locator('.message.pending').count(), 2)
  written.push(...later)
  await ada.seesState('waiting')
  await ada.picture('reconnecting')
  await ben.picture('reconnecting-phone-dark')
  await ben.page.setViewportSize({ width: 360, height: 640 })
  await ben.picture('reconnecting-small-phone-dark')
  await ben.page.setViewportSize(PHONE)
  await server.start()
  for (const person of [ada, ben]) await person.seesState('online')
  for (const person of [ada, ben]) {
    await person.tab.waitFor(async (page) => (await page.locator('.message.pending').count()) === 0)
    await person.tab.waitFor(async () => (await person.messages()).length === said.length + written.length)
  }
  const after = await ada.messages()
  assert.deepEqual(after.slice(0, said.length), said)
  assert.deepEqual(after.slice(said.length).sort(), written.map(([, text]) => text).sort())
  for (const author of [ada, ben]) {
    const texts = written.filter(([person]) => person === author).map(([, text]) => text)
    assert.deepEqual(after.filter((text) => texts.includes(text)), texts, 'each author\'s order')
  }
  await ben.seesMessages(after)
  for (const person of [ada, ben]) person.tab.expectNothing()
  said.splice(0, said.length, ...after)

  console.log('they go on as who they were')
  await say(ben, 'The tomatoes did not notice.')
  for (const person of [ada, ben]) await person.seesPeople(['Ada', 'Ben'])
  // A login that is too old is renewed without a question.
  await ada.page.evaluate(() => {
    const user = JSON.parse(localStorage.getItem('fanfare-chat-user'))
    localStorage.setItem('fanfare-chat-user', JSON.stringify({ ...user, token: 'too.old' }))
  })
  await ada.page.reload()
  await ada.seesState('online')
  await ada.seesMessages(said)
  await ada.picture('history')
  const size = ada.page.viewportSize()
  await ada.page.setViewportSize({ width: 1920, height: 1000 })
  await ada.picture('wide')
  await ada.page.setViewportSize(size)

  console.log('other rooms')
  await ada.page.getByLabel('Join or create a room').fill('  ')
  await ada.page.getByRole('button', { name: 'Join', exact: true }).click()
  await ada.sees('#join-error', 'needs a name')
  await ada.join('general')
  await ada.say('Is anybody in here?')
  await ben.sees('#show-rooms .badge', '1')
  await ben.picture('unread-phone-dark')
  await ben.say('Psst, over here.')
  said.push('Psst, over here.')
  await ada.sees('#rooms .badge', '1')
  await ada.page.emulateMedia({ colorScheme: 'dark' })
  await ada.picture('other-room-dark')
  await ada.page.locator('#rooms').getByRole('button', { name: 'garden' }).click()
  await ada.seesMessages(said)
  await ben.page.locator('#show-rooms').click()
  await ben.tab.waitFor('.rooms.open')
  await ben.page.waitForFunction(() => document.getAnimations().length === 0)
  await ben.picture('rooms-phone-dark')
  await ben.page.locator('.rooms .close:focus').waitFor()
  await ben.page.keyboard.press('Escape')
  await ben.page.locator('#show-rooms:focus').waitFor()
  await say(ben, 'Every script: ça va, 世界, سلام, 🍅.')

  await ben.join('kitchen')
  await ada.page.getByLabel('Join or create a room').focus()
  await ada.page.locator('#open-rooms').getByRole('button', { name: 'kitchen' }).waitFor()
  await ada.page.emulateMedia({ colorScheme: 'light' })
  await ada.picture('others-are-in')
  await ada.page.locator('#open-rooms').getByRole('button', { name: 'kitchen' }).click()
  await ben.sees('.event', 'Ada joined')
  ada.page.once('dialog', (dialog) => dialog.accept())
  await ada.page.getByRole('button', { name: 'Leave room' }).click()
  await ben.sees('.event', 'Ada left')
  await ben.page.getByRole('button', { name: 'people here' }).click()
  await ben.tab.waitFor('.people.open')
  await ben.page.waitForFunction(() => document.getAnimations().length === 0)
  await ben.picture('people-phone-dark')
  await ben.page.locator('.people').getByRole('button', { name: 'Close' }).click()
  await ben.tab.waitFor(async (page) => (await page.locator('.panel.open').count()) === 0)
  await ada.page.locator('#rooms').getByRole('button', { name: 'garden' }).click()

  console.log('one leaves, and the server stops gently')
  await ben.page.close()
  await ada.sees('.event', 'Ben left')
  await ada.seesPeople(['Ada'])
  ada.tab.expect(/WebSocket|ERR_CONNECTION/)
  assert.equal(await server.end('SIGTERM'), 0)
  await ada.seesState('waiting')
  line.close()
}
