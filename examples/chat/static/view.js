// Draws the chat. What people wrote becomes text and never markup.

import { linked } from './links.js'

const GROUP_WITHIN = 5 * 60_000

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' })
const calendar = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' })
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' })

export const find = (id) => document.getElementById(id)

// Makes an element. Properties are set, `class` and `data` too; children are elements or texts.
function make(tag, { class: name, data, ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties)
  if (name) element.className = name
  Object.assign(element.dataset, data)
  element.append(...children)
  return element
}

// The first letters of a name in a colour of its own.
export function dressAvatar(element, key, name) {
  const words = name.trim().split(/\s+/)
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]]
  element.textContent = letters.map((word) => [...word][0] ?? '').join('').toUpperCase()
  // Twelve hues, pale or strong: hues closer than that look the same in a circle of this size.
  const colour = hash(key) % 24
  element.style.setProperty('--hue', (colour >> 1) * 30)
  element.classList.toggle('strong', colour % 2 === 1)
  return element
}

// Keys that differ in a letter have nothing in common afterwards (FNV-1a, and the last step of Murmur3).
function hash(key) {
  let bits = 0x811c9dc5
  for (const character of key) bits = Math.imul(bits ^ character.codePointAt(0), 0x01000193)
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}

const avatar = (key, name) => dressAvatar(make('span', { class: 'avatar', ariaHidden: 'true' }), key, name)

// Shows `children` in `parent` and touches nothing that stands there already: a node that is moved loses focus and selection.
function reconcile(parent, children) {
  const wanted = new Set(children)
  for (const child of [...parent.childNodes]) if (!wanted.has(child)) child.remove()
  children.forEach((child, place) => {
    if (parent.childNodes[place] !== child) parent.insertBefore(child, parent.childNodes[place] ?? null)
  })
}

// The messages of one room.
export class Log {
  #log = find('log')
  #scroll = find('scroll')
  #toEnd = find('to-end')
  #nodes = new Map()
  #room = null
  #onRetry
  #onDiscard

  constructor({ onRetry, onDiscard }) {
    this.#onRetry = onRetry
    this.#onDiscard = onDiscard
    this.#toEnd.addEventListener('click', () => this.scrollToEnd())
    this.#scroll.addEventListener('scroll', () => {
      if (this.#isAtEnd()) this.#toEnd.hidden = true
    })
    // A keyboard that opens on a phone, or a composer that grows, must not hide the last message.
    let atEnd = true
    this.#scroll.addEventListener('scroll', () => (atEnd = this.#isAtEnd()))
    new ResizeObserver(() => atEnd && this.scrollToEnd()).observe(this.#scroll)
  }

  draw(room, pending, user) {
    const switched = room.name !== this.#room
    if (switched) {
      this.#room = room.name
      this.#nodes.clear()
      // A room that is opened is not news, and a reader need not be told all of it.
      this.#log.ariaLive = 'off'
      requestAnimationFrame(() => requestAnimationFrame(() => (this.#log.ariaLive = 'polite')))
    }
    const follow = switched || this.#isAtEnd()
    const before = this.#log.lastElementChild
    reconcile(this.#log, this.#children(room.entries, pending, user))
    if (follow) this.scrollToEnd()
    else if (this.#log.lastElementChild !== before) this.#toEnd.hidden = false
    find('placeholder').hidden = this.#log.childElementCount > 0
    find('placeholder').textContent = room.joined ? 'Nothing here yet. Say hello.' : 'Waiting for the server…'
  }

  scrollToEnd() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight
    this.#toEnd.hidden = true
  }

  #isAtEnd() {
    return this.#scroll.scrollHeight - this.#scroll.scrollTop - this.#scroll.clientHeight < 60
  }

  #children(entries, pending, user) {
    const children = []
    const keep = new Map()
    const add = (key, draw) => {
      const node = this.#nodes.get(key) ?? draw()
      keep.set(key, node)
      children.push(node)
      return node
    }
    let last = null
    let day = ''
    for (const entry of [...entries, ...pending.map((message) => ({ ...message, ...user, pending: true }))]) {
      const today = new Date(entry.timestamp).toDateString()
      if (today !== day) {
        add(`day-${today}`, () => make('li', { class: 'day' }, dayName(entry.timestamp)))
        day = today
        last = null
      }
      if (entry.line !== undefined) {
        add(entry.id, () => make('li', { class: 'event' }, entry.line))
        last = null
        continue
      }
      const mine = entry.userId === user.userId
      const node = add(entry.id, () => message(entry, mine))
      node.classList.toggle('mine', mine)
      node.classList.toggle('more', last?.userId === entry.userId && entry.timestamp - last.timestamp < GROUP_WITHIN)
      this.#drawState(node, entry)
      last = entry
    }
    this.#nodes = keep
    return children
  }

  // Whether the message is sent, which only its author is told.
  #drawState(node, { id, pending, problem }) {
    node.classList.toggle('pending', Boolean(pending && !problem))
    node.classList.toggle('failed', Boolean(problem))
    const text = problem ? `Not sent: ${problem}` : pending ? 'Waiting to be sent…' : ''
    let state = node.querySelector('.state')
    if (state?.dataset.text === text || (!state && !text)) return
    state?.remove()
    if (!text) return
    state = make('span', { class: 'state', data: { text } }, text)
    if (problem) {
      state.append(
        make('button', { type: 'button', onclick: () => this.#onRetry(id) }, 'Try again'),
        make('button', { type: 'button', onclick: () => this.#onDiscard(id) }, 'Discard'),
      )
    }
    node.append(state)
  }
}

function message({ id, userId, username, content, timestamp }, mine) {
  const time = new Date(timestamp)
  return make(
    'li',
    { class: 'message', data: { id } },
    avatar(userId, username),
    make(
      'div',
      { class: 'head' },
      make('span', { class: 'author' }, mine ? 'You' : username),
      make('time', { dateTime: time.toISOString(), title: exact.format(time) }, clock.format(time)),
    ),
    make('div', { class: 'bubble', title: exact.format(time) }, ...linked(content)),
  )
}

function dayName(timestamp) {
  const day = new Date(timestamp).toDateString()
  if (day === new Date().toDateString()) return 'Today'
  if (day === new Date(Date.now() - 86_400_000).toDateString()) return 'Yesterday'
  return calendar.format(timestamp)
}

const roomNodes = new Map()

export function drawRooms(rooms, current, onChoose) {
  for (const name of roomNodes.keys()) if (!rooms.has(name)) roomNodes.delete(name)
  for (const { name, unread } of rooms.values()) {
    if (!roomNodes.has(name)) {
      const button = make('button', { type: 'button', onclick: () => onChoose(name) }, make('span', { class: 'label' }, name))
      roomNodes.set(name, make('li', {}, button))
    }
    const button = roomNodes.get(name).firstChild
    if (name === current) button.setAttribute('aria-current', 'true')
    else button.removeAttribute('aria-current')
    button.querySelector('.badge')?.remove()
    if (unread > 0) button.append(badge(unread))
  }
  reconcile(find('rooms'), [...roomNodes.values()])
}

// How much is unread in all rooms, on the button that opens them where they are not in sight.
export function drawUnread(unread) {
  const button = find('show-rooms')
  button.querySelector('.badge')?.remove()
  if (unread > 0) button.append(badge(unread))
}

function badge(unread) {
  const unseen = make('span', { class: 'unseen' }, ' unread')
  return make('span', { class: 'badge' }, unread > 99 ? '99+' : String(unread), unseen)
}

export function drawOpenRooms(names, onJoin) {
  find('open-rooms-section').hidden = names.length === 0
  find('open-rooms').replaceChildren(
    ...names.map((name) =>
      make('li', {}, make('button', { type: 'button', onclick: () => onJoin(name) }, make('span', { class: 'label' }, name))),
    ),
  )
}

export function drawPeople(people, user) {
  find('people-count').textContent = String(people.length)
  find('people').replaceChildren(
    ...people.map(({ key, name, sessions }) => {
      const label = make('span', { class: 'label' }, name)
      if (key === user.userId) label.append(make('span', { class: 'self' }, ' (you)'))
      const title = sessions > 1 ? `in ${sessions} windows` : ''
      return make('li', { title, data: { user: key } }, avatar(key, name), label)
    }),
  )
}

export function drawTyping(names) {
  const text = names.length > 3 ? 'Several people are typing…'
    : names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)} are typing…`
    : names.length === 1 ? `${names[0]} is typing…` : ''
  if (find('typing').textContent !== text) find('typing').textContent = text
}

const STATES = { connecting: 'Connecting…', online: 'Online', waiting: 'Reconnecting', stopped: 'Disconnected' }
let countdown = 0

// The state of the connection in words; the seconds count down where nobody is read to.
export function drawConnection(state, { until, reason } = {}) {
  clearInterval(countdown)
  find('connection').dataset.state = state
  find('connection').title = reason ?? ''
  find('retry').hidden = state !== 'waiting'
  const seconds = make('span', { ariaHidden: 'true' })
  find('connection-text').replaceChildren(STATES[state], seconds)
  if (state !== 'waiting') return
  const tick = () => (seconds.textContent = ` in ${Math.max(1, Math.ceil((until - Date.now()) / 1000))} s`)
  tick()
  countdown = setInterval(tick, 250)
}
