// Free loopback ports for servers.
import { createServer } from 'node:net'

// Below the range from which systems take the ports of outgoing connections (Linux: from 32768). A server that is
// down for a while would otherwise find its port taken by a client, or a client that reconnects in a loop would
// meet itself there (TCP self-connect).
const LOWEST = 12_000
const HIGHEST = 32_000

/**
 * Held all at once until the last is found, so that no two are the same.
 * @param {number} count
 * @returns {Promise<number[]>}
 */
export async function freePorts(count) {
  /** @type {import('node:net').Server[]} */
  const held = []
  /** @type {number[]} */
  const ports = []
  try {
    for (let attempt = 0; ports.length < count; attempt++) {
      if (attempt === 1_000) throw new Error(`No ${count} free ports between ${LOWEST} and ${HIGHEST} on 127.0.0.1`)
      const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST))
      const server = await hold(port)
      if (!server) continue
      held.push(server)
      ports.push(port)
    }
  } finally {
    await Promise.all(held.map(server => new Promise(resolve => server.close(resolve))))
  }
  return ports
}

/**
 * @param {number} port
 * @returns {Promise<import('node:net').Server | undefined>}
 */
function hold(port) {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(server))
  })
}
