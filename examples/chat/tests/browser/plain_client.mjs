// A page of a stranger talks to the chat with a dozen lines of JavaScript: the plain form of the protocol, without a login.
//
// WS is the address of the plain WebSocket listener.

import assert from 'node:assert/strict'
import { withBrowser } from './browser.mjs'

const { WS } = process.env

await withBrowser(async (browser) => {
  const [one, two] = [await browser.person('One'), await browser.person('Two')]
  for (const tab of [one, two]) await tab.page.evaluate(connect, `ws://${WS}/any/path`)
  for (const tab of [one, two]) await tab.waitFor((page) => page.evaluate(() => told('connected').length === 1))
  const [{ clientId: first }] = await one.page.evaluate(() => told('connected'))
  const [{ clientId: second }] = await two.page.evaluate(() => told('connected'))

  await one.page.evaluate(() => client.send('join_room', { room: 'general' }))
  // Nothing answers a plain join; what comes after it is carried out after it.
  await one.page.evaluate(() => client.send('ping', { id: 1 }))
  await one.waitFor((page) => page.evaluate(() => told('pong').length === 1))
  await two.page.evaluate(() => {
    client.send('join_room', { room: 'general' })
    client.send('message', { room: 'general', content: 'Hello everyone!' })
  })
  const [joined] = await one.waitFor((page) => page.evaluate(() => told('user_joined').length > 0 && told('user_joined')))
  assert.deepEqual({ clientId: joined.clientId, room: joined.room }, { clientId: second, room: 'general' })
  const [message] = await one.waitFor((page) => page.evaluate(() => told('message').length > 0 && told('message')))
  assert.equal(message.content, 'Hello everyone!')
  assert.equal(message.room, 'general')
  assert.equal(message.clientId, second)
  assert.ok(Math.abs(message.timestamp - Date.now()) < 60_000, 'milliseconds since 1970')
  assert.match(message.username, /^guest-[0-9a-f]{4}$/)
  assert.notEqual(first, second)

  await two.page.evaluate(() => client.send('leave_room', { room: 'general' }))
  const [left] = await one.waitFor((page) => page.evaluate(() => told('user_left').length > 0 && told('user_left')))
  assert.deepEqual({ clientId: left.clientId, room: left.room }, { clientId: second, room: 'general' })
})

// Runs in the page: a client that keeps what it is told, by type.
function connect(url) {
  const heard = []
  const socket = new WebSocket(url)
  socket.onmessage = ({ data }) => heard.push(JSON.parse(data))
  globalThis.client = { send: (type, data) => socket.send(JSON.stringify({ type, ...data })) }
  globalThis.told = (type) => heard.filter((notice) => notice.type === type)
}
