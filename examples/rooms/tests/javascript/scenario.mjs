// Three clients in and around a room, before and after the server is killed. Says `kill me` when the server is to be killed
// and started again; exits with 0 when everything was as it should be.

import assert from 'node:assert/strict';
import { RoomsClient } from './client.mjs';

const PATIENCE_MS = 20_000;

/** A client that keeps what it is told, in order. */
class Person {
  heard = [];
  #wake = () => {};

  constructor(url) {
    this.client = new RoomsClient(url, { firstWait: 50 });
    this.client.on('*', (message) => {
      this.heard.push(message);
      this.#wake();
    });
    this.client.connect();
  }

  /** The next message. */
  async next() {
    while (this.heard.length === 0) await new Promise((wake) => (this.#wake = wake));
    return this.heard.shift();
  }

  async connected() {
    const { type, clientId, timestamp, ...more } = await this.next();
    assert.equal(type, 'connected');
    assert.match(clientId, /^[\w-]{22}$/);
    assert.ok(Math.abs(timestamp - Date.now()) < 60_000, `${timestamp} is now in milliseconds`);
    assert.deepEqual(more, {});
    this.id = clientId;
  }

  /** Waits until the server has carried out all that was asked before. */
  async done() {
    this.client.send('ping', { id: 1 });
    assert.deepEqual(await this.next(), { type: 'pong', id: 1 });
  }
}

async function talk(ada, bob, eve) {
  for (const person of [ada, bob, eve]) await person.connected();
  assert.equal(new Set([ada.id, bob.id, eve.id]).size, 3);

  ada.client.send('join_room', { room: 'general' });
  await ada.done();
  bob.client.send('join_room', { room: 'general' });
  assert.deepEqual(await ada.next(), { type: 'user_joined', clientId: bob.id, room: 'general' });

  ada.client.send('message', { room: 'general', content: 'Hello everyone!' });
  const { timestamp, ...message } = await bob.next();
  assert.deepEqual(message, { type: 'message', clientId: ada.id, content: 'Hello everyone!', room: 'general' });
  assert.ok(Math.abs(timestamp - Date.now()) < 60_000);

  bob.client.send('leave_room', { room: 'general' });
  assert.deepEqual(await ada.next(), { type: 'user_left', clientId: bob.id, room: 'general' });

  // Nothing else came: not the message to its sender, not the join to who joined, nothing to who is outside.
  for (const person of [ada, bob, eve]) await person.done();
}

const url = process.argv[2];
const people = [new Person(url), new Person(url), new Person(url)];
setTimeout(() => {
  console.error('still waiting; heard', people.map((person) => person.heard));
  process.exit(1);
}, PATIENCE_MS).unref();

await talk(...people);
console.log('kill me');
await talk(...people);
for (const person of people) person.client.disconnect();
