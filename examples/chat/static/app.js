// The page: log in, choose rooms, talk. Ties the chat to what is drawn.

import { Chat } from './chat.js'
import { Log, dressAvatar, drawConnection, drawOpenRooms, drawPeople, drawRooms, drawTyping, drawUnread, find } from './view.js'

const USER = 'fanfare-chat-user'
const ROOMS = 'fanfare-chat-rooms'
const FIRST_ROOM = 'general'
const MAX_CONTENT = 4000

let chat = null
let current = FIRST_ROOM
let drawing = false
const log = new Log({ onRetry: (id) => chat.retry(id), onDiscard: (id) => chat.discard(id) })

// Logs in, and keeps who that is for the next visit. Fails with a sentence for people.
async function login(username) {
  const answer = await fetch('/login', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username }),
  }).catch(() => {
    throw new Error('The server cannot be reached. Try again in a moment.')
  })
  const body = await answer.json().catch(() => ({}))
  if (!answer.ok) throw new Error(body.message ? `The server says: ${body.message}.` : 'The server refused the login.')
  localStorage.setItem(USER, JSON.stringify(body))
  return body
}

function stored(key, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? otherwise
  } catch {
    return otherwise
  }
}

// A room that the address names: /#lobby is a link to a room.
function roomOfAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1)).trim()
  } catch {
    return ''
  }
}

function start(user) {
  const named = roomOfAddress()
  const rooms = new Set([...stored(ROOMS, [FIRST_ROOM]), ...(named ? [named] : [])])
  if (rooms.size === 0) rooms.add(FIRST_ROOM)
  current = named || [...rooms][0]
  chat = new Chat({
    url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`,
    user,
    rooms,
    login,
    on: {
      state(name, details) {
        drawConnection(name, details)
        if (details?.login) logOut(`You were logged out: ${details.reason}.`)
        else if (name === 'online') listOpenRooms()
        draw()
      },
      room: (timeline) => timeline.name === current && draw(),
      rooms: draw,
      outbox: draw,
      user: draw,
      message(timeline, message) {
        if (message.userId === chat.user.userId) return
        if (timeline.name !== current || document.hidden) timeline.unread++
        draw()
      },
    },
  })
  find('login').hidden = true
  find('chat').hidden = false
  choose(current)
  chat.start()
  // A keyboard on a screen would cover the conversation before it was seen.
  if (matchMedia('(hover: hover)').matches) find('content').focus()
}

function logOut(problem = '') {
  chat?.stop()
  chat = null
  localStorage.removeItem(USER)
  find('chat').hidden = true
  find('login').hidden = false
  find('login-error').textContent = problem
  find('username').focus()
  document.title = 'fanfare chat'
}

function choose(name) {
  current = name
  const address = `#${encodeURIComponent(name)}`
  if (location.hash !== address) history.replaceState(null, '', address)
  closePanels()
  draw()
}

async function join(name) {
  find('join-error').textContent = ''
  choose(name)
  try {
    await chat.join(name)
    listOpenRooms()
  } catch (error) {
    find('join-error').textContent = `Cannot join: ${error.message}.`
    choose([...chat.rooms.keys()][0] ?? FIRST_ROOM)
  }
  draw()
}

async function leave() {
  if (!confirm(`Leave the room “${current}”?`)) return
  await chat.leave(current)
  if (chat.rooms.size === 0) await join(FIRST_ROOM)
  choose([...chat.rooms.keys()][0])
  listOpenRooms()
}

async function listOpenRooms() {
  drawOpenRooms(await chat.openRooms().catch(() => []), join)
}

// Draws everything soon, once for all that changes until then.
function draw() {
  if (drawing) return
  drawing = true
  queueMicrotask(() => {
    drawing = false
    if (chat) drawNow()
  })
}

function drawNow() {
  const room = chat.rooms.get(current)
  if (room && !document.hidden) room.unread = 0
  localStorage.setItem(ROOMS, JSON.stringify([...chat.rooms.keys()]))
  drawRooms(chat.rooms, current, choose)
  find('room-title').textContent = current
  find('me-name').textContent = find('me-name').title = chat.user.username
  dressAvatar(find('me-avatar'), chat.user.userId, chat.user.username)
  const unread = [...chat.rooms.values()].reduce((sum, { unread }) => sum + unread, 0)
  drawUnread(unread)
  document.title = `${unread > 0 ? `(${unread}) ` : ''}${current} · fanfare chat`
  if (!room) return
  log.draw(room, chat.pending(current), chat.user)
  drawPeople(room.people, chat.user)
  drawTyping(room.typing)
}

function send() {
  const field = find('content')
  const content = field.value.trim()
  if (!content || [...content].length > MAX_CONTENT || !chat.rooms.has(current)) return
  chat.say(current, content)
  field.value = ''
  fit(field)
  field.focus()
  draw()
  queueMicrotask(() => log.scrollToEnd())
}

// Grows the field with its text where the browser does not do it by itself.
function fit(field) {
  if (CSS.supports('field-sizing', 'content')) return
  field.style.height = 'auto'
  field.style.height = `${field.scrollHeight + 2}px`
}

function closePanels() {
  for (const panel of document.querySelectorAll('.panel')) panel.classList.remove('open')
  for (const button of [find('show-rooms'), find('show-people')]) button.ariaExpanded = 'false'
  find('shade').classList.remove('open')
  find('shade').hidden = true
}

// Closes a panel that is open, and goes back to where it was opened.
function dismissPanel() {
  const opener = document.querySelector('.bar [aria-expanded="true"]')
  closePanels()
  opener?.focus()
}

function openPanel(panel, button) {
  closePanels()
  panel.classList.add('open')
  button.ariaExpanded = 'true'
  find('shade').hidden = false
  find('shade').classList.add('open')
  panel.querySelector('button, input')?.focus()
  if (panel.id === 'rooms-panel') listOpenRooms()
}

find('login-form').addEventListener('submit', async (event) => {
  event.preventDefault()
  const button = event.submitter ?? find('login-form').querySelector('button')
  button.disabled = true
  find('login-error').textContent = ''
  try {
    start(await login(find('username').value))
  } catch (error) {
    find('login-error').textContent = error.message
  } finally {
    button.disabled = false
  }
})
find('join-form').addEventListener('submit', (event) => {
  event.preventDefault()
  const name = find('new-room').value.trim().replace(/^#\s*/, '')
  if (!name) {
    find('join-error').textContent = 'A room needs a name.'
    find('new-room').focus()
    return
  }
  find('new-room').value = ''
  join(name)
})
find('composer').addEventListener('submit', (event) => {
  event.preventDefault()
  send()
})
find('content').addEventListener('keydown', (event) => {
  // Enter that ends the composition of a character is not meant for us.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  send()
})
find('content').addEventListener('input', ({ target }) => {
  fit(target)
  if (target.value.trim()) chat.typing(current)
})
find('new-room').addEventListener('focus', listOpenRooms)
find('retry').addEventListener('click', () => chat.retryNow())
find('leave').addEventListener('click', leave)
find('leave-narrow').addEventListener('click', leave)
find('logout').addEventListener('click', () => logOut())
find('show-rooms').addEventListener('click', () => openPanel(find('rooms-panel'), find('show-rooms')))
find('show-people').addEventListener('click', () => openPanel(find('people-panel'), find('show-people')))
for (const button of document.querySelectorAll('.close')) button.addEventListener('click', dismissPanel)
find('shade').addEventListener('click', dismissPanel)
addEventListener('keydown', (event) => event.key === 'Escape' && dismissPanel())
document.addEventListener('visibilitychange', () => chat && draw())
addEventListener('hashchange', () => {
  const room = roomOfAddress()
  if (chat && room && room !== current) join(room)
})

const user = stored(USER, null)
if (user?.token) start(user)
else logOut()
