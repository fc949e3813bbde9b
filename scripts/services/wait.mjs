// Bounded waiting, and what a log said last.
import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * Asks again and again until the answer is something; there's no event to wait for in another process.
 * @template T
 * @param {() => Promise<T | undefined | false> | T | undefined | false} ask  A throw ends the waiting.
 * @param {{ timeoutMs: number, everyMs?: number, what: string }} options
 * @returns {Promise<T>}
 */
export async function until(ask, { timeoutMs, everyMs = 50, what }) {
  const end = performance.now() + timeoutMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    if (performance.now() > end) throw new Error(`Waited ${timeoutMs / 1000} s for ${what}`)
    await delay(everyMs)
  }
}

/**
 * @param {number} port
 * @returns {Promise<boolean>} whether something listens there
 */
export function accepts(port) {
  return new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

/**
 * @param {string} file
 * @returns {number} in bytes, 0 where there's none
 */
export function sizeOf(file) {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}

/**
 * @param {string} file
 * @param {number} [from]  bytes to leave out at the beginning
 * @returns {string} at most the last 64 KiB
 */
export function readTail(file, from = 0) {
  if (!existsSync(file)) return ''
  const handle = openSync(file, 'r')
  try {
    const { size } = fstatSync(handle)
    const start = Math.max(from, size - 65_536)
    const bytes = Buffer.alloc(Math.max(0, size - start))
    return bytes.toString('utf8', 0, readSync(handle, bytes, 0, bytes.length, start))
  } finally {
    closeSync(handle)
  }
}
