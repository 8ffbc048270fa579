// A client as an application would write it: handlers by message type, and reconnection with exponential backoff.
// A browser has WebSocket; before version 22 Node has not.
import WebSocket from 'ws';

const FIRST_WAIT_MS = 1000;
const BACKOFF = 1.5;
const LONGEST_WAIT_MS = 30_000;

export class RoomsClient {
  #url;
  #socket;
  #handlers = new Map();
  #wait;
  #firstWait;
  #wanted = true;

  constructor(url, { firstWait = FIRST_WAIT_MS } = {}) {
    this.#url = url;
    this.#firstWait = firstWait;
    this.#wait = firstWait;
  }

  connect() {
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onopen = () => {
      this.#wait = this.#firstWait;
    };
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      for (const handler of this.#handlers.get(message.type) ?? []) handler(message);
      for (const handler of this.#handlers.get('*') ?? []) handler(message);
    };
    socket.onclose = () => {
      if (!this.#wanted) return;
      setTimeout(() => this.connect(), this.#wait);
      this.#wait = Math.min(this.#wait * BACKOFF, LONGEST_WAIT_MS);
    };
    // A close follows every error.
    socket.onerror = () => {};
  }

  on(type, handler) {
    this.#handlers.set(type, [...(this.#handlers.get(type) ?? []), handler]);
  }

  send(type, data) {
    this.#socket.send(JSON.stringify({ type, ...data }));
  }

  disconnect() {
    this.#wanted = false;
    this.#socket.close();
  }
}
