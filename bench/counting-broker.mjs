// A broker that stores nothing: it speaks as much AMQP 0-9-1 as a publisher needs, counts the messages and confirms
// them. What it is fed with shows how fast a client could be. Format: sections 2.3 and 4.2 of
// https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf

import { createServer } from 'node:net'

const PUBLISH = (60 << 16) | 40
/** What a client asks, and the answer: class and method, then the arguments. */
const ANSWERS = new Map([
  [(10 << 16) | 11, method(10, 30, u16(2047), u32(131_072), u16(0))], // start-ok → tune
  [(10 << 16) | 40, method(10, 41, u8(0))], // connection.open
  [(10 << 16) | 50, method(10, 51)], // connection.close
  [(20 << 16) | 10, method(20, 11, u32(0))], // channel.open
  [(20 << 16) | 40, method(20, 41)], // channel.close
  [(40 << 16) | 10, method(40, 11)], // exchange.declare
  [(50 << 16) | 10, method(50, 11, shortString('q'), u32(0), u32(0))], // queue.declare
  [(50 << 16) | 20, method(50, 21)], // queue.bind
  [(85 << 16) | 10, method(85, 11)], // confirm.select
])

/** Listens on a free port. Resolves `{ url, counted(), close() }`. */
export async function startCountingBroker() {
  let counted = 0
  const server = createServer(socket => {
    socket.setNoDelay(true)
    socket.on('error', () => undefined)
    const channels = new Map()
    let rest = Buffer.alloc(0)
    let greeted = false
    socket.on('data', chunk => {
      let data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      if (!greeted) {
        if (data.length < 8) {
          rest = data
          return
        }
        greeted = true
        data = data.subarray(8)
        socket.write(frame(0, start()))
      }
      let at = 0
      while (data.length - at >= 8) {
        const size = data.readUInt32BE(at + 3)
        if (data.length - at < size + 8) break
        if (data[at] === 1) answer(data.readUInt16BE(at + 1), data.readUInt32BE(at + 7))
        at += size + 8
      }
      rest = data.subarray(at)
      for (const [channel, state] of channels) {
        if (state.published === state.confirmed) continue
        state.confirmed = state.published
        socket.write(frame(channel, method(60, 80, u32(0), u32(state.published), u8(1))))
      }
    })

    function answer(channel, what) {
      if (what === PUBLISH) {
        counted += 1
        channels.get(channel).published += 1
        return
      }
      if (what === ((20 << 16) | 10)) channels.set(channel, { published: 0, confirmed: 0 })
      const reply = ANSWERS.get(what)
      if (reply) socket.write(frame(channel, reply))
    }
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `amqp://guest:guest@127.0.0.1:${server.address().port}`,
    counted: () => counted,
    close: () => new Promise(resolve => server.close(resolve)),
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

if (process.argv[1] === import.meta.filename) {
  const { url } = await startCountingBroker()
  console.log(url)
}
