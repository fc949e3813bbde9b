// A broker that stores nothing: it speaks as much AMQP 0-9-1 as a publisher needs, counts the messages and confirms
// them. What it is fed with shows how fast a client could be. Format: sections 2.3 and 4.2 of
// https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf

import { createServer } from 'node:net'
import { endWithParent } from './end-with-parent.mjs'

/** The client's first bytes: `AMQP` and the version. */
const GREETING_LENGTH = 8
/** Type, channel, size, and the end of a frame. */
const FRAME_OVERHEAD = 8
const METHOD = 1
const CHANNEL_OPEN = (20 << 16) | 10
const PUBLISH = (60 << 16) | 40
/** What a client asks, and the answer: class and method, then the arguments. */
const ANSWERS = new Map([
  [(10 << 16) | 11, method(10, 30, u16(2047), u32(131_072), u16(0))], // start-ok → tune
  [(10 << 16) | 40, method(10, 41, u8(0))], // connection.open
  [(10 << 16) | 50, method(10, 51)], // connection.close
  [CHANNEL_OPEN, method(20, 11, u32(0))], // channel.open
  [(20 << 16) | 40, method(20, 41)], // channel.close
  [(40 << 16) | 10, method(40, 11)], // exchange.declare
  [(50 << 16) | 10, method(50, 11, shortString('q'), u32(0), u32(0))], // queue.declare
  [(50 << 16) | 20, method(50, 21)], // queue.bind
  [(85 << 16) | 10, method(85, 11)], // confirm.select
])

/**
 * Listens on a free port. Of the first `keep` messages the frames are kept, as they came. Resolves
 * `{ url, counted(), messages(), close() }`.
 */
export async function startCountingBroker({ keep = 0 } = {}) {
  const state = { counted: 0, keep, kept: [] }
  const server = createServer(socket => {
    socket.setNoDelay(true)
    socket.on('error', () => undefined)
    serve(socket, state)
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `amqp://guest:guest@127.0.0.1:${server.address().port}`,
    counted: () => state.counted,
    messages: () => state.kept.slice(0, keep).map(frames => Buffer.concat(frames)),
    close: () => new Promise(resolve => server.close(resolve)),
  }
}

/** Reads frames, and confirms what a chunk has brought with one frame per channel. */
function serve(socket, state) {
  const channels = new Map()
  let rest = Buffer.alloc(0)
  let greeted = false
  socket.on('data', chunk => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    if (!greeted) {
      if (rest.length < GREETING_LENGTH) return
      greeted = true
      rest = rest.subarray(GREETING_LENGTH)
      socket.write(frame(0, start()))
    }
    let at = 0
    while (rest.length - at >= FRAME_OVERHEAD) {
      const length = rest.readUInt32BE(at + 3) + FRAME_OVERHEAD
      if (rest.length - at < length) break
      onFrame(rest, at, length)
      at += length
    }
    rest = rest.subarray(at)
    for (const [channel, tags] of channels) {
      if (tags.published === tags.confirmed) continue
      tags.confirmed = tags.published
      socket.write(frame(channel, method(60, 80, u32(0), u32(tags.published), u8(1)))) // basic.ack, multiple
    }
  })

  function onFrame(bytes, at, length) {
    const channel = bytes.readUInt16BE(at + 1)
    const what = bytes[at] === METHOD ? bytes.readUInt32BE(at + 7) : undefined
    if (what === PUBLISH) {
      state.counted += 1
      channels.get(channel).published += 1
      if (state.counted <= state.keep) state.kept.push([])
    }
    if (what === CHANNEL_OPEN) channels.set(channel, { published: 0, confirmed: 0 })
    if (what === PUBLISH || what === undefined) {
      if (state.counted > 0 && state.counted <= state.keep)
        state.kept.at(-1).push(Buffer.from(bytes.subarray(at, at + length)))
    } else if (ANSWERS.has(what)) socket.write(frame(channel, ANSWERS.get(what)))
  }
}

function start() {
  const capabilities = table([
    ['publisher_confirms', Buffer.from('t\x01', 'latin1')],
    ['basic.nack', Buffer.from('t\x01', 'latin1')],
    ['connection.blocked', Buffer.from('t\x01', 'latin1')],
  ])
  const properties = table([
    ['product', Buffer.concat([Buffer.from('S'), longString('counting broker')])],
    ['capabilities', Buffer.concat([Buffer.from('F'), capabilities])],
  ])
  return method(10, 10, u8(0), u8(9), properties, longString('PLAIN'), longString('en_US'))
}

function frame(channel, payload) {
  return Buffer.concat([u8(1), u16(channel), u32(payload.length), payload, u8(0xce)])
}

function method(classId, methodId, ...parts) {
  return Buffer.concat([u16(classId), u16(methodId), ...parts])
}

function table(fields) {
  const bytes = Buffer.concat(fields.flatMap(([name, value]) => [shortString(name), value]))
  return Buffer.concat([u32(bytes.length), bytes])
}

function shortString(text) {
  return Buffer.concat([u8(Buffer.byteLength(text)), Buffer.from(text)])
}

function longString(text) {
  return Buffer.concat([u32(Buffer.byteLength(text)), Buffer.from(text)])
}

function u8(value) {
  return Buffer.from([value])
}

function u16(value) {
  return Buffer.from([value >>> 8, value & 0xff])
}

function u32(value) {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

// By itself: tells where it listens, and counts until it is ended, or whoever started it has ended.
if (process.argv[1] === import.meta.filename) {
  endWithParent()
  console.log((await startCountingBroker()).url)
}
