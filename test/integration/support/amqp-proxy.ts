import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A proxy that knows AMQP's frames, for faults between the broker and one publisher. */
export interface AmqpProxy {
  /** The same broker and virtual host, through here. */
  readonly url: string
  /** When each connection came, in milliseconds of `performance.now()`. */
  readonly connections: number[]
  /** How many connections are open on the side of the client. */
  readonly open: number
  /** The broker works, and its acks and nacks get lost. */
  dropConfirms: boolean
  /** What either side sends gets lost, and the connections stay. */
  silent: boolean
  /** Called with each frame of the broker, before the client gets it. */
  onFrame: () => void
  /** What is taken is kept and gets no byte; or is reset at once. */
  accept: 'all' | 'silently' | 'none'
  /** Forwards so many bytes of the next connection to the broker, and then resets both sides. */
  cutAfter: number | undefined
  /** Resets every connection (RST). */
  reset(): void
  /** Ends the half of every connection that leads to the client (FIN). */
  finish(): void
  close(): Promise<void>
}

const BASIC_ACK = (60 << 16) | 80
const BASIC_NACK = (60 << 16) | 120

/** In front of the broker of this URL. */
export async function amqpProxy(brokerUrl: string): Promise<AmqpProxy> {
  const target = new URL(brokerUrl)
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true, noDelay: true }, client => {
    proxy.connections.push(performance.now())
    sockets.add(client)
    client.on('error', () => {}).on('close', () => sockets.delete(client))
    if (proxy.accept === 'none') client.resetAndDestroy()
    if (proxy.accept === 'silently') client.on('end', () => client.destroy()).resume()
    if (proxy.accept === 'all') serve(client)
  })

  function serve(client: Socket): void {
    const broker = connect({ host: target.hostname, port: Number(target.port), noDelay: true })
    const { cutAfter } = proxy
    proxy.cutAfter = undefined
    let left = cutAfter ?? Number.POSITIVE_INFINITY
    client.on('data', chunk => {
      if (proxy.silent) return
      broker.write(chunk.subarray(0, left))
      left -= chunk.length
      if (left > 0) return
      client.resetAndDestroy()
      broker.destroySoon()
    })
    const frames = framesOf(frame => {
      if (proxy.silent || (proxy.dropConfirms && isConfirm(frame))) return
      proxy.onFrame()
      if (!client.destroyed) client.write(frame)
    })
    broker.on('data', frames).on('error', () => {})
    // The broker ends a connection of which it hears nothing. That must not show.
    broker.on('close', () => proxy.silent || client.destroySoon())
    client.on('end', () => broker.end()).on('close', () => broker.destroy())
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(brokerUrl)
  url.port = String((server.address() as AddressInfo).port)

  const proxy: AmqpProxy = {
    url: url.href,
    connections: [],
    get open() {
      return sockets.size
    },
    dropConfirms: false,
    silent: false,
    onFrame: () => {},
    accept: 'all',
    cutAfter: undefined,
    reset() {
      for (const socket of sockets) socket.resetAndDestroy()
    },
    finish() {
      for (const socket of sockets) socket.end()
    },
    async close() {
      proxy.reset()
      server.close()
      await once(server, 'close')
    },
  }
  return proxy
}

/** Cuts a stream into AMQP's frames: type, channel and size in seven bytes, the payload, one byte for its end. */
function framesOf(take: (frame: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0)
  return chunk => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    while (rest.length >= 7) {
      const length = rest.readUInt32BE(3) + 8
      if (rest.length < length) return
      take(rest.subarray(0, length))
      rest = rest.subarray(length)
    }
  }
}

function isConfirm(frame: Buffer): boolean {
  if (frame[0] !== 1) return false
  const method = frame.readUInt32BE(7)
  return method === BASIC_ACK || method === BASIC_NACK
}
