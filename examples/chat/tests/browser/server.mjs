// Starts the chat server for a test, kills it, and starts it again where it was.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createConnection, createServer } from 'node:net'
import { createInterface } from 'node:readline'

// How long a start or an end may take, in milliseconds.
const PATIENCE = 15_000

export class Server {
  #binary
  #flags
  #process = null

  // The addresses that it listens on: { http, ws, tcp }.
  addresses = { http: '127.0.0.1:0', ws: '127.0.0.1:0', tcp: '127.0.0.1:0' }

  constructor(binary, flags) {
    this.#binary = binary
    this.#flags = flags
  }

  // Starts it and waits until it is ready. A second start takes the ports of the first.
  async start() {
    const where = Object.entries(this.addresses).flatMap(([flag, address]) => [`--${flag}`, address])
    const child = spawn(this.#binary, [...where, '--log-format', 'json', ...this.#flags], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#process = child
    const lines = createInterface({ input: child.stdout })
    const ready = new Promise((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the server ended with ${code} instead of starting`)))
      lines.on('line', (line) => {
        const log = JSON.parse(line)
        if (log.message === 'the chat server is ready') resolve(log)
        if (log.level === 'ERROR') console.error(`the server: ${line}`)
      })
    })
    const { http, ws, tcp } = await within(ready, 'the server is not ready')
    this.addresses = { http, ws, tcp }
  }

  // Ends it by a signal. Resolves to its exit code, which is null where the signal killed it.
  async end(signal) {
    const child = this.#process
    this.#process = null
    if (!child || child.exitCode !== null) return child?.exitCode ?? null
    const exit = once(child, 'exit')
    child.kill(signal)
    const [code] = await within(exit, `the server is still there after ${signal}`)
    return code
  }
}

// Stands between a page and the server, and can cut the line.
export class Proxy {
  #sockets = new Set()
  #server
  #port

  static async to(address) {
    const [host, port] = address.split(':')
    const proxy = new Proxy()
    proxy.#server = createServer((near) => {
      const far = createConnection({ host, port: Number(port) })
      for (const [one, other] of [[near, far], [far, near]]) {
        proxy.#sockets.add(one)
        one.pipe(other)
        one.on('error', () => other.destroy())
        one.on('close', () => {
          proxy.#sockets.delete(one)
          other.destroy()
        })
      }
    })
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    proxy.#port = proxy.#server.address().port
    return proxy
  }

  get address() {
    return `127.0.0.1:${this.#port}`
  }

  // Breaks every connection without a goodbye and lets no new one in.
  cut() {
    this.#server.close()
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  // Lets connections in again at the same address.
  async mend() {
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  close() {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}

async function within(promise, problem) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${problem} after ${PATIENCE} ms`)), PATIENCE)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
