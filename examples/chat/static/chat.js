// The chat without its looks: the rooms, what is yet to be sent, and the connection that keeps both up to date.

import { Connection, RequestError } from './connection.js'
import { Timeline } from './timeline.js'

const TYPING_EVERY = 2000
const TYPING_LASTS = 4000
// Pages of history that are fetched to close a gap. Beyond them the room begins anew with its last messages.
const MAX_PAGES = 20

// `on`: state(name, details), room(timeline), rooms(), outbox(), user(), message(timeline, message)
export class Chat {
  rooms = new Map()
  #user
  #on
  #login
  #connection
  #outbox
  #pumping = false
  #catching = new Set()
  #typed = 0

  // `login(username)` resolves to { token, userId, username }.
  constructor({ url, user, rooms, login, on }) {
    this.#user = user
    this.#on = on
    this.#login = login
    for (const name of rooms) this.#addRoom(name)
    this.#outbox = load(this.#storageKey, []).filter(({ room }) => this.rooms.has(room))
    this.#connection = new Connection(url, user.token, {
      state: (name, details) => this.#state(name, details),
      open: () => this.#enterAll(),
      notice: (notice) => this.#told(notice),
      login: async () => (await this.#renew()).token,
    })
  }

  get user() {
    return this.#user
  }

  // Messages that the server has not acknowledged: { id, room, content, timestamp, problem? }.
  pending(room) {
    return this.#outbox.filter((message) => message.room === room)
  }

  start() {
    this.#connection.start()
  }

  // Logs out: what was not sent is forgotten.
  stop() {
    this.#connection.stop()
    sessionStorage.removeItem(this.#storageKey)
  }

  retryNow() {
    this.#connection.retryNow()
  }

  // Joins a room, or makes it. Fails if the server refuses it; a room whose server is away is joined later.
  async join(name) {
    if (this.rooms.has(name)) return
    this.#addRoom(name)
    this.#on.rooms()
    try {
      await this.#enter(this.rooms.get(name))
    } catch (error) {
      if (error.code === 'disconnected') return
      this.rooms.delete(name)
      this.#on.rooms()
      throw error
    }
  }

  async leave(name) {
    this.rooms.delete(name)
    this.#outbox = this.#outbox.filter((message) => message.room !== name)
    this.#saveOutbox()
    this.#on.rooms()
    await this.#connection.request('leave_room', { room: name }).catch(() => {})
  }

  // Sends a message, now or when the server is there again. It has its id from here on, so that sending it twice is once.
  say(room, content) {
    this.#outbox.push({ id: newId(), room, content, timestamp: Date.now() })
    this.#typed = 0
    this.#saveOutbox()
    this.#pump()
  }

  // Tries a message again that was refused.
  retry(id) {
    const message = this.#outbox.find((message) => message.id === id)
    if (message) delete message.problem
    this.#saveOutbox()
    this.#pump()
  }

  discard(id) {
    this.#outbox = this.#outbox.filter((message) => message.id !== id)
    this.#saveOutbox()
  }

  // Tells the others that the person types; often called, seldom sent.
  typing(room) {
    const now = Date.now()
    if (now - this.#typed < TYPING_EVERY || !this.rooms.get(room)?.joined) return
    this.#typed = now
    this.#connection.send('typing', { room })
  }

  // The rooms that others are in and this page is not.
  async openRooms() {
    const { rooms } = await this.#connection.request('rooms')
    return rooms.filter((name) => !this.rooms.has(name))
  }

  #addRoom(name) {
    this.rooms.set(name, new Timeline(name, (timeline) => this.#on.room(timeline)))
  }

  #state(name, details) {
    if (name !== 'online') for (const room of this.rooms.values()) room.joined = false
    this.#on.state(name, details)
  }

  // Also where a session was resumed: it is in its rooms already, unless one of them was refused to it.
  #enterAll() {
    for (const room of this.rooms.values()) {
      this.#enter(room).catch((error) => {
        if (error.code !== 'disconnected') console.warn(`cannot join ${room.name}: ${error.message}`)
      })
    }
  }

  async #enter(room) {
    const since = this.#connection.place(room.name)
    try {
      await this.#connection.request('join_room', { room: room.name, ...(since && { since }) })
    } catch (error) {
      // The resumed session has brought the room along, and what was missed has been told.
      if (error.code !== 'already_joined') throw error
    }
    room.joined = true
    this.#pump()
    room.setPeople((await this.#connection.request('presence', { room: room.name })).members)
  }

  #told(notice) {
    if (notice.type === 'refresh') return void this.#refresh()
    const room = this.rooms.get(notice.room)
    if (!room) return
    switch (notice.type) {
      case 'joined':
        if (room.needsHistory(notice.recovered)) this.#catchUp(room)
        break
      case 'gap':
        room.noteGap()
        this.#catchUp(room)
        break
      case 'message':
        this.#settled(notice.id)
        if (room.add(notice)) this.#on.message(room, notice)
        break
      case 'user_joined':
        room.userJoined(notice)
        break
      case 'user_left':
        room.userLeft(notice)
        break
      case 'user_typing':
        if (notice.userId !== this.#user.userId) room.userTyping(notice, TYPING_LASTS)
        break
    }
  }

  // Fetches what is missing. A cut ends it; the next join begins it again.
  async #catchUp(room) {
    if (this.#catching.has(room)) return
    this.#catching.add(room)
    try {
      for (let pages = 0; ; pages++) {
        if (pages === MAX_PAGES) room.startOver()
        const { since, gaps } = room
        const fields = { room: room.name, ...(since !== undefined && { since }) }
        const { messages, complete } = await this.#connection.request('room_history', fields)
        const done = complete && room.gaps === gaps
        for (const { id } of messages) this.#settled(id)
        room.addHistory(messages, done)
        if (done) break
      }
    } catch (error) {
      if (error.code !== 'disconnected') setTimeout(() => room.joined && this.#catchUp(room), error.retryAfter ?? 2000)
    } finally {
      this.#catching.delete(room)
    }
  }

  // Sends what waits, one message after the other, so that their order stays.
  async #pump() {
    if (this.#pumping) return
    this.#pumping = true
    try {
      for (;;) {
        const next = this.#outbox.find((message) => !message.problem && this.rooms.get(message.room)?.joined)
        if (!next) return
        await this.#deliver(next)
      }
    } catch {
      // Cut off: the next join goes on.
    } finally {
      this.#pumping = false
    }
  }

  async #deliver(message) {
    const { id, room, content } = message
    try {
      const { messageId, seq, timestamp } = await this.#connection.request('message', { room, content, key: id })
      const { userId, username } = this.#user
      this.rooms.get(room)?.addOwn({ id: messageId, seq, userId, username, content, timestamp })
      this.#settled(id)
    } catch (error) {
      if (!(error instanceof RequestError) || error.code === 'disconnected') throw error
      if (error.code === 'not_joined') {
        const there = this.rooms.get(room)
        if (there) {
          there.joined = false
          await this.#enter(there)
        }
        return
      }
      if (error.retryAfter !== undefined) {
        await new Promise((wake) => setTimeout(wake, error.retryAfter))
        return
      }
      message.problem = error.message
      this.#saveOutbox()
    }
  }

  // The server has the message: it is the room's now.
  #settled(id) {
    if (this.#outbox.some((message) => message.id === id)) this.discard(id)
  }

  async #refresh() {
    try {
      await this.#connection.refresh((await this.#renew()).token)
    } catch (error) {
      // Then the session ends with its credentials, and the next one asks for new ones.
      console.warn(`cannot refresh the login: ${error.message}`)
    }
  }

  async #renew() {
    this.#user = await this.#login(this.#user.username)
    this.#on.user()
    return this.#user
  }

  // Of this tab: a reload must not lose what was not sent, and another tab must not send it too.
  get #storageKey() {
    return `fanfare-chat-outbox:${this.#user.username}`
  }

  #saveOutbox() {
    sessionStorage.setItem(this.#storageKey, JSON.stringify(this.#outbox))
    this.#on.outbox()
  }
}

// 128 random bits. Not `randomUUID`, which browsers offer only on HTTPS and localhost, and not to a phone on the same network.
function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

function load(key, otherwise) {
  try {
    return JSON.parse(sessionStorage.getItem(key)) ?? otherwise
  } catch {
    return otherwise
  }
}
