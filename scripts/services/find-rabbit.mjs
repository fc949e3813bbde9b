// The order in which a RabbitMQ is looked for.
import { existsSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { spacelessCacheDirectory } from './cache.mjs'
import { fetchRabbit } from './fetch-rabbit.mjs'
import { run, which } from './run.mjs'
import { createSteps, isSet } from './steps.mjs'

const ADVICE = [
  'start a RabbitMQ yourself and set AMQP_URL, for instance amqp://guest:guest@localhost:5672',
  'install rabbitmq-server (it need not run: a private throw-away node is started from it)',
  'on Debian or Ubuntu allow downloads: network access for apt-get, and CDC_SERVICES_OFFLINE not set',
  'start docker, so that `docker info` answers',
]

/**
 * @typedef {object} RabbitInstallation
 * @property {string} scripts  folder of rabbitmq-server and rabbitmqctl
 * @property {string | undefined} erlang  folder to put on PATH for erl and epmd
 */

/**
 * @param {{ env?: NodeJS.ProcessEnv, onProgress?: (line: string) => void }} [options]
 * @returns {Promise<{ url: string } | { docker: true } | RabbitInstallation>}
 * @throws with code `CDC_SERVICE_UNAVAILABLE`, listing every step that was tried
 */
export async function findRabbit({ env = process.env, onProgress = () => {} } = {}) {
  const steps = createSteps('RabbitMQ', { env, onProgress })
  if (env.AMQP_URL) return { url: env.AMQP_URL }
  steps.note('AMQP_URL', 'not set')

  const scripts = installedScripts(env)
  if (isSet(env.CDC_SERVICES_IGNORE_INSTALLED)) {
    steps.note('installed rabbitmq-server', 'not tried: CDC_SERVICES_IGNORE_INSTALLED is set')
  } else if (scripts && which('erl', env)) {
    onProgress(`RabbitMQ: ${scripts}`)
    return { scripts, erlang: undefined }
  } else {
    steps.note('installed rabbitmq-server', scripts ? `found in ${scripts}, but no \`erl\` on PATH` : 'not found')
  }

  const cache = spacelessCacheDirectory(env)
  const target = join(cache.directory, 'rabbitmq')
  const cached = { scripts: join(target, 'usr/lib/rabbitmq/bin'), erlang: join(target, 'usr/lib/erlang/bin') }
  if (existsSync(join(target, '.complete'))) {
    // Also makes sure that the folder is ours, where it lies in a shared place.
    cache.create()
    onProgress(`RabbitMQ: ${target}`)
    return cached
  }
  steps.note('cache', `nothing in ${target}`)

  const found =
    (await steps.download("the distribution's packages, unpacked into the cache without root", async () => {
      cache.create()
      await fetchRabbit(target, env)
      return cached
    })) ?? (await steps.download('docker', () => dockerIfItAnswers(env)))
  if (!found) throw steps.failure(ADVICE)
  return found
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {string | undefined}
 */
function installedScripts(env) {
  // Debian's own place first: its /usr/sbin/rabbitmq-server is a wrapper that changes the user and drops our settings.
  const debian = '/usr/lib/rabbitmq/bin'
  if (existsSync(join(debian, 'rabbitmq-server'))) return debian
  const onPath = which('rabbitmq-server', env)
  if (!onPath || realpathSync(onPath).endsWith('rabbitmq-script-wrapper')) return undefined
  return existsSync(join(dirname(onPath), 'rabbitmqctl')) ? dirname(onPath) : dirname(realpathSync(onPath))
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<{ docker: true }>}
 */
async function dockerIfItAnswers(env) {
  if (!which('docker', env)) throw new Error('not installed')
  const { code, stderr } = await run('docker', ['info'], { env, timeoutMs: 8_000 })
  // The command may be there without a daemon.
  if (code !== 0) throw new Error(`\`docker info\` failed: ${stderr.trim().split('\n').at(-1)}`)
  return { docker: true }
}
