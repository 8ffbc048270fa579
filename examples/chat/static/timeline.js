// One room as this page knows it: its messages, each once and in the server's order, and who is there.

// A page that stays open for weeks keeps no more than this.
const MAX_ENTRIES = 1000

// Somebody who comes back within this time was only reconnecting; longer after a break of our own, when everybody was cut.
const LEAVE_GRACE = 3000
const RECONNECT_GRACE = 20_000

export class Timeline {
  // Messages { id, seq, userId, username, content, timestamp } and lines { line, seq, timestamp }, by `seq`.
  entries = []
  unread = 0
  // Whether the server has us in the room now.
  joined = false
  // Counts gaps, so that one that is noticed while history is on its way is not taken for closed.
  gaps = 0
  // Session → { key, name }: one person may have several.
  #people = new Map()
  #departures = new Map()
  #ids = new Set()
  #lines = 0
  #changed
  // The last place that was told in order, and where the history that is missing begins, if some is.
  #lastSeq = null
  #missingFrom = null
  #synced = false
  #typing = new Map()

  constructor(name, changed) {
    this.name = name
    this.#changed = changed
  }

  // Whether history must be asked for, given what the server says about a join.
  needsHistory(recovered) {
    if (!recovered) this.noteGap()
    return !this.#synced || this.#missingFrom !== null
  }

  // Messages may have been missed after the last one that was told.
  noteGap() {
    this.gaps++
    this.#missingFrom ??= this.#lastSeq ?? 0
  }

  // What to ask for: everything after this place; `undefined` for the last messages.
  get since() {
    return this.#synced ? this.#missingFrom ?? this.#lastSeq ?? 0 : undefined
  }

  // Takes a page of history.
  addHistory(messages, complete) {
    if (!this.#synced && messages.length > 0) {
      // The last messages: what is known from before may have a hole after it.
      this.#drop((entry) => entry.seq < messages[0].seq)
    }
    for (const message of messages) this.#insert(message)
    const last = messages.at(-1)?.seq
    if (last !== undefined) this.#lastSeq = Math.max(this.#lastSeq ?? 0, last)
    if (complete) {
      this.#synced = true
      this.#missingFrom = null
    } else if (last !== undefined) this.#missingFrom = last
    this.#changed(this)
  }

  // Begins anew with the last messages: too much was missed to be fetched.
  startOver() {
    this.#synced = false
    this.#missingFrom = null
  }

  // A message that the server told. Returns whether it is new.
  add(message) {
    this.#lastSeq = Math.max(this.#lastSeq ?? 0, message.seq)
    this.#typing.delete(message.userId)
    return this.addOwn(message)
  }

  // A message of ours that was acknowledged. It says nothing about what others wrote before it.
  addOwn(message) {
    const added = this.#insert(message)
    this.#changed(this)
    return added
  }

  has(id) {
    return this.#ids.has(id)
  }

  // The people here: { key, name, sessions }, by name.
  get people() {
    const people = new Map()
    for (const { key, name } of this.#people.values()) {
      const person = people.get(key) ?? { key, name, sessions: 0 }
      person.sessions++
      people.set(key, person)
    }
    return [...people.values()].sort((a, b) => a.name.localeCompare(b.name))
  }

  // The names of those who type now.
  get typing() {
    return [...this.#typing.values()].map(({ name }) => name)
  }

  setPeople(members) {
    const before = this.people
    this.#people = new Map(members.map((member) => [member.clientId, person(member)]))
    for (const { key, name } of before) {
      if (!this.#isHere(key)) this.#depart(key, name, RECONNECT_GRACE)
    }
    this.#changed(this)
  }

  userJoined(member) {
    const { key, name } = person(member)
    const isNew = !this.#isHere(key)
    this.#people.set(member.clientId, { key, name })
    const departure = this.#departures.get(key)
    if (departure !== undefined) {
      clearTimeout(departure)
      this.#departures.delete(key)
    } else if (isNew) this.#addLine(`${name} joined`)
    this.#changed(this)
  }

  userLeft(member) {
    const { key, name } = this.#people.get(member.clientId) ?? person(member)
    this.#people.delete(member.clientId)
    this.#typing.delete(key)
    if (!this.#isHere(key)) this.#depart(key, name, LEAVE_GRACE)
    this.#changed(this)
  }

  userTyping({ userId, username }, lasts) {
    clearTimeout(this.#typing.get(userId)?.timer)
    const timer = setTimeout(() => {
      this.#typing.delete(userId)
      this.#changed(this)
    }, lasts)
    this.#typing.set(userId, { name: username, timer })
    this.#changed(this)
  }

  #isHere(key) {
    return [...this.#people.values()].some((person) => person.key === key)
  }

  #depart(key, name, grace) {
    clearTimeout(this.#departures.get(key))
    const timer = setTimeout(() => {
      this.#departures.delete(key)
      if (this.#isHere(key)) return
      this.#addLine(`${name} left`)
      this.#changed(this)
    }, grace)
    this.#departures.set(key, timer)
  }

  #addLine(line) {
    // Behind what is known now, before what comes next.
    const seq = Math.floor(this.entries.at(-1)?.seq ?? 0) + 0.5
    this.#place({ id: `line-${this.#lines++}`, line, seq, timestamp: Date.now() })
  }

  #insert(message) {
    if (this.#ids.has(message.id)) return false
    this.#ids.add(message.id)
    this.#place(message)
    return true
  }

  #place(entry) {
    // Nearly always it belongs at the end.
    let at = this.entries.length
    while (at > 0 && this.entries[at - 1].seq > entry.seq) at--
    this.entries.splice(at, 0, entry)
    if (this.entries.length > MAX_ENTRIES) this.#drop((_, place) => place < this.entries.length - MAX_ENTRIES)
  }

  #drop(unwanted) {
    const dropped = this.entries.filter(unwanted)
    this.entries = this.entries.filter((entry, place) => !unwanted(entry, place))
    for (const { id } of dropped) this.#ids.delete(id)
  }
}

function person({ clientId, user, info }) {
  return { key: user ?? clientId, name: info?.username ?? 'somebody' }
}
