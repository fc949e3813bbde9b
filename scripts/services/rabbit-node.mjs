// A private RabbitMQ node that can be killed, frozen and started again on its data.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { spacelessTemporaryDirectory } from './cache.mjs'
import { freePorts } from './ports.mjs'
import { rabbitEnvironment, withoutPlugins, writeRabbitFiles } from './rabbit-environment.mjs'
import { createVhost } from './rabbit-vhost.mjs'
import { run } from './run.mjs'
import { supervise, supervisedDirectory } from './supervise.mjs'
import { accepts, readTail, sizeOf, until } from './wait.mjs'

const READY = /Server startup complete|completed with \d+ plugins/
const STOP_MS = 20_000

/**
 * @param {import('./find-rabbit.mjs').RabbitInstallation} installation
 * @param {{ config: Record<string, string>, plugins: readonly string[], onProgress: (line: string) => void }} options
 * @returns {Promise<import('./index.mjs').RabbitService>}
 */
export async function startRabbitNode({ scripts, erlang }, { config, plugins, onProgress }) {
  const folder = await supervisedDirectory(spacelessTemporaryDirectory(), 'cdc-rabbit')
  const directory = folder.path
  const [port = 0, distributionPort = 0, epmdPort = 0] = await freePorts(3)
  const place = { directory, port, distributionPort, epmdPort }
  const env = {
    ...rabbitEnvironment(place, erlang),
    ...(plugins.length === 0 && withoutPlugins(place, scripts)),
  }
  const log = join(directory, 'rabbitmq.log')
  const url = `amqp://guest:guest@127.0.0.1:${port}`
  /** @type {import('./supervise.mjs').Supervised | undefined} */
  let epmd
  /** @type {import('./supervise.mjs').Supervised | undefined} */
  let node
  let pid = 0
  let paused = false
  /** @type {Promise<void> | undefined} */
  let stopped

  /** @param {NodeJS.Signals} signal */
  const send = signal => {
    if (!node?.running) throw new Error(`RabbitMQ on port ${port} isn't running`)
    try {
      process.kill(pid, signal)
    } catch (error) {
      // Killed a moment ago: what started it has yet to notice, and `exited` is waited for.
      if (Object(error).code !== 'ESRCH') throw error
    }
  }
  const start = async () => {
    const from = sizeOf(log)
    const started = await supervise(join(scripts, 'rabbitmq-server'), [], { log, env, cwd: directory })
    node = started
    try {
      await until(() => !started.running || READY.test(readTail(log, from)), {
        timeoutMs: 120_000,
        everyMs: 100,
        what: `RabbitMQ on port ${port} to be ready`,
      })
      if (!started.running) throw new Error(`RabbitMQ on port ${port} ended at its start`)
    } catch (error) {
      await started.end()
      throw new Error(`${Object(error).message}. Its log ends with:\n${readTail(log, from).trim().slice(-2_000)}`)
    }
    pid = Number(readFileSync(join(directory, 'pid'), 'utf8'))
    paused = false
  }
  const endCleanly = async () => {
    if (!node?.running) return
    if (paused) send('SIGCONT')
    send('SIGTERM')
    const timer = setTimeout(() => void node?.end(), STOP_MS)
    await node.exited
    clearTimeout(timer)
  }
  /** @param {string[]} args */
  const rabbitmqctl = async (...args) => {
    const result = await run(join(scripts, 'rabbitmqctl'), ['-q', ...args], { env, cwd: directory, timeoutMs: 60_000 })
    if (result.code !== 0) throw new Error(`rabbitmqctl ${args[0]}: ${result.stderr.trim() || result.stdout.trim()}`)
    return result.stdout
  }
  const stop = () => {
    stopped ??= (async () => {
      await endCleanly()
      await epmd?.end()
      await folder.remove()
    })()
    return stopped
  }

  try {
    writeRabbitFiles(place, config, plugins)
    // Ours, in the foreground: one that the node starts would be a daemon that outlives it.
    const epmdLog = join(directory, 'epmd.log')
    const mapper = await supervise('epmd', ['-address', '127.0.0.1', '-port', String(epmdPort)], { log: epmdLog, env })
    epmd = mapper
    await until(async () => !mapper.running || (await accepts(epmdPort)), { timeoutMs: 10_000, what: 'epmd' })
    if (!mapper.running) throw new Error(`epmd ended at its start: ${readTail(epmdLog).trim()}`)
    onProgress('RabbitMQ: starting a private node, about 8 s')
    await start()
  } catch (error) {
    await stop()
    throw error
  }

  return {
    url,
    port,
    external: false,
    get pid() {
      return pid
    },
    vhost: name => createVhost(url, name, rabbitmqctl),
    rabbitmqctl,
    async kill() {
      if (node?.running) send('SIGKILL')
      await node?.exited
      paused = false
    },
    async restart() {
      await endCleanly()
      await start()
    },
    pause() {
      send('SIGSTOP')
      paused = true
    },
    resume() {
      send('SIGCONT')
      paused = false
    },
    stop,
  }
}
