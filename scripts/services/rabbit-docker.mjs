// RabbitMQ in a container, the last resort. Not run where this was written: there was a docker command, but no daemon.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'amqplib'
import { spacelessTemporaryDirectory } from './cache.mjs'
import { freePorts } from './ports.mjs'
import { createVhost } from './rabbit-vhost.mjs'
import { run } from './run.mjs'
import { runAtOurEnd, supervisedDirectory } from './supervise.mjs'
import { until } from './wait.mjs'

const IMAGE = 'rabbitmq:4-management'

/**
 * @param {{ config: Record<string, string>, onProgress: (line: string) => void }} options
 * @returns {Promise<import('./index.mjs').RabbitService>}
 */
export async function startDockerRabbit({ config, onProgress }) {
  const [port = 0] = await freePorts(1)
  const container = `cdc-rabbit-${process.pid}-${port}`
  const url = `amqp://guest:guest@127.0.0.1:${port}`
  const folder = await supervisedDirectory(spacelessTemporaryDirectory(), 'cdc-rabbit')
  const file = join(folder.path, '90-cdc.conf')
  let pid = 0

  /** @param {string[]} args */
  const docker = async (...args) => {
    const result = await run('docker', args, { timeoutMs: 600_000 })
    if (result.code !== 0) throw new Error(`docker ${args[0]}: ${result.stderr.trim()}`)
    return result.stdout
  }
  /** @param {string[]} args */
  const rabbitmqctl = (...args) => docker('exec', container, 'rabbitmqctl', '-q', ...args)
  const ready = async () => {
    await until(answers, { timeoutMs: 120_000, everyMs: 250, what: `RabbitMQ in container ${container}` })
    pid = Number(await docker('inspect', '-f', '{{.State.Pid}}', container))
  }
  const answers = async () => {
    try {
      await (await connect(url, { timeout: 2_000 })).close()
      return true
    } catch {
      return false
    }
  }

  // A container doesn't end with the command that started it.
  const removal = await runAtOurEnd('docker', ['rm', '--force', '--volumes', container])
  /** @type {Promise<void> | undefined} */
  let stopped
  const stop = () => {
    stopped ??= removal.now().then(() => folder.remove())
    return stopped
  }
  try {
    onProgress(`RabbitMQ: starting ${IMAGE} in docker`)
    writeFileSync(
      file,
      Object.entries(config)
        .map(([name, value]) => `${name} = ${value}\n`)
        .join(''),
    )
    const mount = `${file}:/etc/rabbitmq/conf.d/90-cdc.conf:ro`
    await docker(
      'run',
      '--detach',
      '--name',
      container,
      '--publish',
      `127.0.0.1:${port}:5672`,
      '--volume',
      mount,
      IMAGE,
    )
    await ready()
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
      await docker('kill', container)
    },
    async restart() {
      await docker('restart', container)
      await ready()
    },
    // Both are synchronous in the interface: the request is on its way when they return.
    pause: () => void docker('pause', container),
    resume: () => void docker('unpause', container),
    stop,
  }
}
