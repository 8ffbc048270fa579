// Answers what the official codecs make of packets and messages: one JSON question a line, one JSON answer a line.
//
//   {"ask":"engine","format":"v4"|"v3text"|"v3binary","packets":[…],"body":BASE64,"frames":[MESSAGE…]}
//     → {"body":BASE64,"frames":[MESSAGE…],"read":[PACKET…],"readFrames":[PACKET…]}
//   {"ask":"engine","format":…,"body":BASE64}                       → {"read":[…]} or {"error":…}
//   {"ask":"socket","parser":"v5"|"v4"|"msgpack","packet":PACKET,"messages":[MESSAGE…]}
//     → {"messages":[MESSAGE…],"read":PACKET}
//   {"ask":"socket","parser":…,"messages":[…]}                      → {"read":PACKET or null} or {"error":…}
//
// A MESSAGE is {"text":…} or {"binary":BASE64}. A PACKET of Socket.IO has its data as JSON text with placeholders, and its
// attachments in BASE64, numbered as they stand in it. It is one of this side's own making, so that a fault of the official
// placeholders shows.

import * as engine4 from "engine.io-parser";
import engine3 from "engine.io-parser-v3";
import * as socket5 from "socket.io-parser";
import socket4 from "socket.io-parser-v4";
import msgpack from "socket.io-msgpack-parser";

const BINARY_TYPE = { 2: 5, 3: 6 };
const PLAIN_TYPE = { 5: 2, 6: 3 };
// Nobody reads what stands behind these.
const WITHOUT_DATA = ["close", "upgrade", "noop"];

const toMessage = (wire) =>
  typeof wire === "string" ? { text: wire } : { binary: Buffer.from(wire).toString("base64") };
const fromMessage = (message) => message.text ?? Buffer.from(message.binary, "base64");

/** A packet of Engine.IO as the test writes it. */
function shownEngine({ type, data }) {
  if (type === "error" || type === undefined) {
    throw new Error("malformed packet");
  }
  if (data === undefined || WITHOUT_DATA.includes(type)) {
    return { type, text: "" };
  }
  return { type, ...toMessage(data) };
}

function engineBody(format, packets) {
  let body;
  const take = (encoded) => (body = encoded);
  switch (format) {
    case "v4":
      engine4.encodePayload(packets, take);
      break;
    case "v3text":
      engine3.encodePayload(packets, false, take);
      break;
    case "v3binary":
      engine3.encodePayloadAsBinary(packets, take);
  }
  return Buffer.from(body);
}

function engineRead(format, body) {
  if (format === "v4") {
    return engine4.decodePayload(body.toString()).map(shownEngine);
  }
  const read = [];
  const take = (packet) => void read.push(shownEngine(packet));
  if (format === "v3text") {
    engine3.decodePayload(body.toString(), take);
  } else {
    engine3.decodePayloadAsBinary(body, take);
  }
  return read;
}

function engine({ format, packets, body, frames }) {
  const read = engineRead(format, Buffer.from(body, "base64"));
  if (!packets) {
    return { read };
  }
  const given = packets.map(({ type, ...message }) => {
    const data = fromMessage(message);
    return data === "" ? { type } : { type, data };
  });
  const written = [];
  const take = (frame) => void written.push(toMessage(frame));
  const codec = format === "v4" ? engine4 : engine3;
  const encodeFrame = (packet) =>
    format === "v4" ? engine4.encodePacket(packet, true, take) : engine3.encodePacket(packet, true, false, take);
  given.forEach(encodeFrame);
  return {
    body: engineBody(format, given).toString("base64"),
    frames: written,
    read,
    readFrames: frames.map((frame) => shownEngine(codec.decodePacket(fromMessage(frame)))),
  };
}

const isBytes = (value) => Buffer.isBuffer(value) || value instanceof ArrayBuffer;

/** Puts the attachments into the places of their placeholders. */
function withBytes(value, attachments) {
  if (attachments.length === 0 || value === null || typeof value !== "object") {
    return value;
  }
  if (value._placeholder === true) {
    return attachments[value.num];
  }
  for (const key of Object.keys(value)) {
    value[key] = withBytes(value[key], attachments);
  }
  return value;
}

/** The other way round; strings are as they would be in UTF-8. */
function withoutBytes(value, attachments) {
  if (isBytes(value)) {
    attachments.push(Buffer.from(value).toString("base64"));
    return { _placeholder: true, num: attachments.length - 1 };
  }
  if (typeof value === "string") {
    return value.toWellFormed();
  }
  if (value === null || typeof value !== "object" || value instanceof Date) {
    return value;
  }
  if (Array.isArray(value)) {
    return value.map((item) => withoutBytes(item, attachments));
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key.toWellFormed(), withoutBytes(item, attachments)]),
  );
}

function shownSocket({ type, nsp, id, data }) {
  const attachments = [];
  const json = data === undefined ? null : JSON.stringify(withoutBytes(data, attachments));
  return { type: PLAIN_TYPE[type] ?? type, nsp: nsp.toWellFormed(), id: id ?? null, data: json, attachments };
}

const codecs = { v5: socket5, v4: socket4, msgpack };

function socketWrite(parser, { type, nsp, id, data, attachments }) {
  const bytes = attachments.map((attachment) => Buffer.from(attachment, "base64"));
  const packet = { type };
  if (data !== null) {
    packet.data = withBytes(JSON.parse(data), bytes);
  }
  packet.nsp = nsp;
  if (id !== null) {
    packet.id = id;
  }
  const encoder = new codecs[parser].Encoder();
  if (parser !== "v4") {
    return encoder.encode(packet).map(toMessage);
  }
  // Revision 4 leaves it to whoever sends to say that a packet has attachments.
  if (bytes.length > 0) {
    packet.type = BINARY_TYPE[type];
  }
  let messages;
  encoder.encode(packet, (encoded) => (messages = encoded.map(toMessage)));
  return messages;
}

function socket({ parser, packet, messages }) {
  const written = packet ? socketWrite(parser, packet) : undefined;
  const decoder = new codecs[parser].Decoder();
  const read = [];
  decoder.on("decoded", (decoded) => read.push(shownSocket(decoded)));
  messages.map(fromMessage).forEach((message) => decoder.add(message));
  if (read.length > 1) {
    throw new Error("more than one packet");
  }
  return { messages: written, read: read[0] ?? null };
}

const answers = { engine, socket };

function answer(line) {
  try {
    const question = JSON.parse(line);
    return answers[question.ask](question);
  } catch (error) {
    return { error: String(error) };
  }
}

// Not by `readline`, which also breaks lines at U+2028, and JSON may have that.
process.stdin.setEncoding("utf8");
let rest = "";
for await (const chunk of process.stdin) {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop();
  process.stdout.write(lines.map((line) => JSON.stringify(answer(line)) + "\n").join(""));
}
