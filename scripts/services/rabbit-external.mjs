// A RabbitMQ that somebody else runs (`AMQP_URL`): used, never killed or frozen.
import { connect } from 'amqplib'
import { describeVhost } from './rabbit-vhost.mjs'
import { messageOf } from './steps.mjs'

/**
 * @param {string} url
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<import('./index.mjs').RabbitService>}
 */
export async function externalRabbit(url, env = process.env) {
  try {
    const connection = await connect(url, { timeout: 10_000 })
    await connection.close()
  } catch (error) {
    throw new Error(`AMQP_URL is set, but that broker can't be used: ${messageOf(error)}`)
  }
  const { protocol, port } = new URL(url)
  return {
    url,
    port: Number(port) || (protocol === 'amqps:' ? 5671 : 5672),
    pid: 0,
    external: true,
    vhost: name => createVhost(url, name, env),
    rabbitmqctl: () => refuse('rabbitmqctl'),
    kill: () => refuse('kill'),
    restart: () => refuse('restart'),
    pause: () => throwRefusal('pause'),
    resume: () => throwRefusal('resume'),
    stop: async () => {},
  }
}

/**
 * @param {string} url
 * @param {string | undefined} wanted
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<import('./index.mjs').RabbitVhost>}
 */
async function createVhost(url, wanted, env) {
  const vhost = describeVhost(url, wanted)
  const { hostname, username, password } = new URL(url)
  const user = decodeURIComponent(username) || 'guest'
  const login = `${user}:${decodeURIComponent(password) || 'guest'}`
  const api = `${(env.AMQP_MANAGEMENT_URL || `http://${hostname}:15672`).replace(/\/+$/, '')}/api`
  const path = encodeURIComponent(vhost.name)
  /**
   * @param {string} method
   * @param {string} resource
   * @param {object} [body]
   */
  const ask = async (method, resource, body) => {
    const headers = {
      authorization: `Basic ${Buffer.from(login).toString('base64')}`,
      'content-type': 'application/json',
    }
    const reply = await fetch(`${api}/${resource}`, {
      method,
      headers,
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    }).catch(error => {
      const hint = 'A vhost of its own needs the management API of the broker in AMQP_URL (set AMQP_MANAGEMENT_URL)'
      throw new Error(`${hint}: ${messageOf(error)}`)
    })
    if (!reply.ok) throw new Error(`The management API of the broker in AMQP_URL answered ${reply.status}`)
  }
  await ask('PUT', `vhosts/${path}`, {})
  const all = { configure: '.*', write: '.*', read: '.*' }
  await ask('PUT', `permissions/${path}/${encodeURIComponent(user)}`, all)
  return { ...vhost, remove: () => ask('DELETE', `vhosts/${path}`) }
}

/**
 * @param {string} method
 * @returns {never}
 */
function throwRefusal(method) {
  throw new Error(`\`${method}()\` works on a broker of our own only: AMQP_URL is set, unset it`)
}

/**
 * @param {string} method
 * @returns {Promise<never>}
 */
async function refuse(method) {
  return throwRefusal(method)
}
