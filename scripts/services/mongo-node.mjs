// One mongod process that can be killed, frozen and started again on its data.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hello } from './mongo-admin.mjs'
import { supervise } from './supervise.mjs'
import { readTail, sizeOf, until } from './wait.mjs'

export const SET_NAME = 'rs0'

const READY = /"Waiting for connections"/

/**
 * @typedef {import('./index.mjs').MongoNode & { paused: boolean, start: () => Promise<void>, end: () => Promise<void> }} Node
 */

/**
 * @param {object} setup
 * @param {import('./mongod-libraries.mjs').Mongod} setup.mongod
 * @param {string} setup.directory  own folder of this node
 * @param {number} setup.port
 * @param {readonly string[]} setup.args  besides those that every node has
 * @param {string | undefined} setup.key  contents of the key file: turns on authorization
 * @param {boolean} setup.alone  the only node of its set, so after a restart it's the primary again
 * @returns {Node}
 */
export function createMongoNode({ mongod, directory, port, args, key, alone }) {
  const dbpath = join(directory, 'db')
  const log = join(directory, 'mongod.log')
  const keyFile = join(directory, 'key')
  mkdirSync(dbpath, { recursive: true })
  if (key) writeFileSync(keyFile, key, { mode: 0o600 })
  const uri = `mongodb://127.0.0.1:${port}/?directConnection=true`
  const fixed = ['--port', String(port), '--bind_ip', '127.0.0.1', '--dbpath', dbpath, '--replSet', SET_NAME]
  const all = [...fixed, ...(key ? ['--keyFile', keyFile] : []), '--nounixsocket', ...args]
  /** @type {import('./supervise.mjs').Supervised | undefined} */
  let process_
  let paused = false

  /** @param {NodeJS.Signals} signal */
  const send = signal => {
    if (!process_?.running) throw new Error(`mongod on port ${port} isn't running`)
    process.kill(process_.pid, signal)
  }
  /** @param {NodeJS.Signals} signal */
  const finishWith = async signal => {
    if (process_?.running) {
      send(signal)
      // A frozen process takes only SIGKILL.
      if (paused) send('SIGCONT')
    }
    await process_?.exited
    paused = false
  }

  return {
    uri,
    port,
    get pid() {
      return process_?.pid ?? 0
    },
    get running() {
      return process_?.running ?? false
    },
    get paused() {
      return paused
    },
    async start() {
      const from = sizeOf(log)
      const started = await supervise(mongod.binary, all, { log, env: mongod.env, cwd: directory })
      process_ = started
      // Not by connecting: something else might have taken the port just before, and would be taken for ours.
      await until(() => !started.running || READY.test(readTail(log, from)), {
        timeoutMs: 60_000,
        everyMs: 25,
        what: `mongod on port ${port} to accept connections`,
      })
      if (!started.running) throw new Error(`mongod on port ${port} ended at its start: ${reason(readTail(log, from))}`)
    },
    kill: () => finishWith('SIGKILL'),
    stop: () => finishWith('SIGTERM'),
    pause() {
      send('SIGSTOP')
      paused = true
    },
    resume() {
      send('SIGCONT')
      paused = false
    },
    async restart() {
      if (process_?.running) await finishWith('SIGTERM')
      await this.start()
      await until(
        async () => {
          const answer = await hello(uri)
          return answer?.isWritablePrimary || (!alone && answer?.secondary)
        },
        { timeoutMs: 60_000, what: `mongod on port ${port} to be ${alone ? 'primary' : 'a member'} again` },
      )
    },
    async end() {
      await process_?.end()
      paused = false
    },
  }
}

/**
 * What a mongod said last, without the JSON around it; its own errors where there are any.
 * @param {string} log
 */
function reason(log) {
  const lines = log.trim().split('\n')
  const bad = lines.filter(line => /"s":"[EF]"/.test(line) || !line.startsWith('{'))
  return (bad.length > 0 ? bad : lines).join('\n').slice(-1_200)
}
