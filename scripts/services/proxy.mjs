// A TCP proxy that can fail in ways that a server can't be made to fail.
import { connect, createServer } from 'node:net'

/** @typedef {import('node:net').Socket} Socket */
/** @typedef {{ client: Socket, server: Socket }} Pair */

/**
 * @param {number} targetPort
 * @returns {Promise<import('./index.mjs').TcpProxy>}
 */
export async function tcpProxy(targetPort) {
  /** @type {import('./index.mjs').ProxyMode} */
  let mode = 'pass'
  /** @type {Set<Pair>} */
  const pairs = new Set()

  // Nothing is read from a side that isn't forwarded: its bytes wait in the kernel, as in a network that was cut, and
  // neither its FIN nor its RST shows on the other side.
  /** @param {Pair} pair */
  const apply = pair => {
    flow(pair.client, pair.server, mode !== 'hole')
    flow(pair.server, pair.client, mode === 'pass')
    if (mode !== 'hole' && pair.client.destroyed) pair.server.destroy()
    if (mode === 'pass' && pair.server.destroyed) pair.client.destroy()
    if (pair.client.destroyed && pair.server.destroyed) pairs.delete(pair)
  }

  const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, client => {
    const server = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    const pair = { client, server }
    pairs.add(pair)
    forward(client, server, () => apply(pair))
    forward(server, client, () => apply(pair))
    // A refused or reset connection to the server is a reset for the client.
    server.on('error', () => mode === 'pass' && client.resetAndDestroy())
    apply(pair)
  })
  await new Promise((resolve, reject) => {
    listener.once('error', reject)
    listener.listen(0, '127.0.0.1', () => resolve(undefined))
  })
  const { port } = /** @type {import('node:net').AddressInfo} */ (listener.address())

  const reset = () => {
    for (const { client, server } of pairs) {
      client.resetAndDestroy()
      server.destroy()
    }
    pairs.clear()
  }
  return {
    port,
    get mode() {
      return mode
    },
    set mode(value) {
      mode = value
      for (const pair of pairs) apply(pair)
    },
    reset,
    close() {
      const closed = new Promise(resolve => listener.close(() => resolve(undefined)))
      reset()
      return closed.then(() => {})
    },
  }
}

/**
 * @param {Socket} from
 * @param {Socket} to
 * @param {() => void} apply
 */
function forward(from, to, apply) {
  from.on('data', chunk => {
    if (!to.destroyed && !to.write(chunk)) from.pause()
  })
  to.on('drain', apply)
  from.on('end', apply)
  from.on('error', () => {})
  from.on('close', apply)
}

/**
 * @param {Socket} from
 * @param {Socket} to
 * @param {boolean} allowed
 */
function flow(from, to, allowed) {
  if (allowed && !to.writableNeedDrain) from.resume()
  else from.pause()
  // A paused socket tells of its end all the same when nothing is left to read.
  if (allowed && from.readableEnded && !to.writableEnded) to.end()
}
