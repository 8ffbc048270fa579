// Speaks the native protocol over one WebSocket after the other, and goes on where the last one ended.

const SUBPROTOCOL = 'fanfare.v1.json'

// How long to wait before the next attempt: a random part of a time that grows from one to thirty seconds, so that the
// clients of a server that restarts do not come back together.
const FIRST_DELAY = 1000
const GROWTH = 1.5
const MAX_DELAY = 30_000

// An answer that takes longer means a dead connection, and so does silence: a page is not told of the server's pings.
const ANSWER_TIME = 10_000
const SILENCE = 30_000
const OPENING_TIME = 10_000

// The words that answer a request, by its id. Any other word with an `id` is an event that has one of its own.
const ANSWERS = new Set(['ack', 'joined', 'left', 'presence', 'pong', 'error'])

// Codes after which there is nothing to wait for: the credentials are to be renewed first.
const NEEDS_LOGIN = new Set([4002, 4500])

// Why a request was not carried out. `code` is the server's word, or `disconnected`: then it may have been or not.
export class RequestError extends Error {
  constructor(code, message, retryAfter) {
    super(message)
    this.code = code
    this.retryAfter = retryAfter
  }
}

// `handlers`:
//   state(name, details)  connecting, online, waiting { until }, stopped { reason }
//   open()                a session is there, new or resumed; the rooms are to be joined again in either case
//   notice(notice)        everything that the server tells, in its order; answers too
//   login()               new credentials are needed: resolves to a token, or to null if there are none
export class Connection {
  #url
  #token
  #handlers
  #socket = null
  #open = false
  #attempts = 0
  #refusals = 0
  #timer = 0
  #watch = 0
  #heard = 0
  #stopped = false
  #nextId = 1
  #requests = new Map()
  #resume = null
  #places = new Map()
  #inbox = null
  #retryAfter = null

  constructor(url, token, handlers) {
    this.#url = url
    this.#token = token
    this.#handlers = handlers
    // A network that comes back, or a laptop that wakes up, need not wait for the timer.
    addEventListener('online', () => this.retryNow())
    document.addEventListener('visibilitychange', () => document.hidden || this.retryNow())
  }

  start() {
    this.#connect()
  }

  // Ends it for good; the server is told, so that it keeps nothing for a resume.
  stop() {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#socket?.close(1000)
    this.#detach()
  }

  get isOpen() {
    return this.#open
  }

  // The last place seen of a room, to ask for what came after it.
  place(room) {
    return this.#places.get(room)
  }

  // Connects now if it waits for the next attempt.
  retryNow() {
    if (this.#stopped || this.#socket) return
    clearTimeout(this.#timer)
    this.#connect()
  }

  // Sends without waiting for an answer; for what may be lost.
  send(type, fields = {}) {
    if (this.#open) this.#socket.send(JSON.stringify({ type, ...fields }))
  }

  // Resolves to the answer; fails with a RequestError.
  request(type, fields = {}) {
    if (!this.#open) return Promise.reject(new RequestError('disconnected', 'not connected'))
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#lost(), ANSWER_TIME)
      this.#requests.set(id, { resolve, reject, timer })
      this.#socket.send(JSON.stringify({ type, id, ...fields }))
    })
  }

  // New credentials for the session as it is and for those to come.
  async refresh(token) {
    this.#token = token
    await this.request('refresh', { token })
  }

  #connect() {
    this.#handlers.state('connecting')
    this.#retryAfter = null
    const socket = new WebSocket(this.#url, SUBPROTOCOL)
    this.#socket = socket
    this.#heard = Date.now()
    this.#timer = setTimeout(() => this.#lost(), OPENING_TIME)
    socket.onopen = () => {
      const rooms = Object.fromEntries(this.#places)
      const resume = this.#resume && { token: this.#resume, rooms, ...(this.#inbox && { inbox: this.#inbox }) }
      socket.send(JSON.stringify({ type: 'hello', token: this.#token, ...(resume && { resume }) }))
    }
    socket.onmessage = ({ data }) => {
      this.#heard = Date.now()
      if (typeof data === 'string') this.#told(JSON.parse(data))
    }
    socket.onclose = ({ code }) => this.#closed(code)
  }

  #told(notice) {
    switch (notice.type) {
      case 'connected':
        clearTimeout(this.#timer)
        this.#open = true
        this.#attempts = 0
        this.#refusals = 0
        // Good for one use: the next session has another.
        this.#resume = notice.resume ?? null
        if (!notice.resumed) this.#inbox = null
        this.#watch = setInterval(() => this.#look(), 5000)
        this.#handlers.state('online')
        this.#handlers.open()
        break
      case 'closing':
        this.#retryAfter = notice.retryAfter ?? null
        break
      case 'ping':
        this.send('pong')
        break
      default:
        this.#follow(notice)
    }
    this.#handlers.notice(notice)
    if (ANSWERS.has(notice.type)) this.#answered(notice)
  }

  // Keeps the last place seen of each room and of the session's own inbox.
  #follow({ type, room, epoch, offset, from, to, recovered }) {
    const place = offset === undefined ? undefined : { epoch, offset }
    switch (type) {
      case 'joined': {
        // What was missed follows, and each message moves the place on; the room's last place would skip them.
        const known = this.#places.get(room)
        if (place && !(recovered && known?.epoch === epoch)) this.#places.set(room, place)
        break
      }
      case 'left':
        this.#places.delete(room)
        break
      case 'gap':
        if (room === undefined) this.#inbox = to ?? from ?? null
        else if (to) this.#places.set(room, to)
        else this.#places.delete(room)
        break
      case 'ack':
      case 'history':
        break
      default:
        if (!place) break
        if (room === undefined) this.#inbox = place
        else this.#places.set(room, place)
    }
  }

  #answered(notice) {
    const request = this.#requests.get(notice.id)
    if (!request) return
    this.#requests.delete(notice.id)
    clearTimeout(request.timer)
    if (notice.type !== 'error') request.resolve(notice)
    else request.reject(new RequestError(notice.code, notice.message, notice.retryAfter))
  }

  // Asks a silent server whether it is there.
  #look() {
    if (Date.now() - this.#heard > SILENCE) this.request('ping').catch(() => {})
  }

  // The connection is dead although nobody said so; a close could take minutes to be noticed.
  #lost() {
    this.#socket?.close()
    this.#closed(1006)
  }

  #closed(code) {
    this.#detach()
    if (this.#stopped) return
    if (NEEDS_LOGIN.has(code)) this.#renew()
    else if (mayRetry(code)) this.#wait()
    // Another tab took over the session of this one (a copy of the tab, for instance): begin a session of its own.
    else if (code === 4003) {
      this.#resume = null
      this.#wait()
    } else this.#handlers.state('stopped', { reason: `the server closed the connection (${code})` })
  }

  #wait() {
    const bound = Math.min(MAX_DELAY, FIRST_DELAY * GROWTH ** this.#attempts++)
    const delay = this.#retryAfter ?? Math.random() * bound
    this.#timer = setTimeout(() => this.#connect(), delay)
    this.#handlers.state('waiting', { until: Date.now() + delay })
  }

  // New credentials once; if they are refused as well, the person has to log in.
  async #renew() {
    this.#handlers.state('connecting')
    this.#resume = null
    const token = this.#refusals++ === 0 ? await this.#handlers.login().catch(() => undefined) : null
    if (this.#stopped) return
    if (token === null) return this.#handlers.state('stopped', { reason: 'the login is not valid any more', login: true })
    // `undefined`: the server cannot be asked now.
    if (token === undefined) this.#refusals = 0
    else this.#token = token
    this.#wait()
  }

  #detach() {
    const socket = this.#socket
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null
    this.#socket = null
    this.#open = false
    clearTimeout(this.#timer)
    clearInterval(this.#watch)
    for (const { reject, timer } of this.#requests.values()) {
      clearTimeout(timer)
      reject(new RequestError('disconnected', 'the connection was lost'))
    }
    this.#requests.clear()
  }
}

// What the range of a close code says.
function mayRetry(code) {
  return code === 1001 || code === 1005 || code === 1006 || (code >= 1011 && code <= 1013)
    || (code >= 3000 && code < 3500) || (code >= 4000 && code < 4500 && code !== 4003)
}
