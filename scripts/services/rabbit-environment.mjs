// What makes a RabbitMQ node private: own name, ports, folders, cookie and epmd, and nothing inherited.
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/**
 * @typedef {object} RabbitPlace
 * @property {string} directory
 * @property {number} port
 * @property {number} distributionPort
 * @property {number} epmdPort
 */

/**
 * @param {RabbitPlace} place
 * @param {string | undefined} erlang  folder to put first on PATH
 * @param {NodeJS.ProcessEnv} [inherited]
 * @returns {NodeJS.ProcessEnv}
 */
export function rabbitEnvironment({ directory, port, distributionPort, epmdPort }, erlang, inherited = process.env) {
  const foreign = /^(RABBITMQ_|ERL_|CONF_ENV_FILE$|LD_LIBRARY_PATH$)/
  const kept = Object.fromEntries(Object.entries(inherited).filter(([name]) => !foreign.test(name)))
  return {
    ...kept,
    PATH: [erlang, kept.PATH].filter(Boolean).join(delimiter),
    // The node makes its Erlang cookie there, and rabbitmqctl reads it there.
    HOME: directory,
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    // The machine's own host name might not resolve.
    RABBITMQ_NODENAME: `cdc-${port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distributionPort),
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_MNESIA_BASE: join(directory, 'mnesia'),
    RABBITMQ_LOG_BASE: join(directory, 'log'),
    // To its standard output, which the supervisor keeps in a file.
    RABBITMQ_LOGS: '-',
    RABBITMQ_CONFIG_FILE: join(directory, 'rabbitmq'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, 'enabled_plugins'),
    RABBITMQ_PID_FILE: join(directory, 'pid'),
    RABBITMQ_SCHEMA_DIR: join(directory, 'schema'),
    RABBITMQ_GENERATED_CONFIG_DIR: join(directory, 'generated'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
  }
}

/**
 * The server without the plugins that come with it: at each start it would read them all, which takes it 3 s more.
 * @param {RabbitPlace} place
 * @param {string} scripts
 * @returns {NodeJS.ProcessEnv}  nothing where the server's folder is not to be found: then it starts slowly
 */
export function withoutPlugins({ directory }, scripts) {
  const home = join(scripts, '..')
  const versions = join(home, 'lib')
  const servers = existsSync(versions) ? readdirSync(versions).filter(name => name.startsWith('rabbitmq_server-')) : []
  const places = [home, ...servers.map(name => join(versions, name))].map(place => join(place, 'plugins'))
  const all = places.find(place => existsSync(place))
  if (all === undefined) return {}
  const few = join(directory, 'plugins')
  mkdirSync(few)
  const needed = readdirSync(all).filter(name => !/^rabbitmq_(?!prelaunch)/.test(name))
  for (const name of needed) symlinkSync(join(all, name), join(few, name))
  return { RABBITMQ_PLUGINS_DIR: few }
}

/**
 * @param {RabbitPlace} place
 * @param {Record<string, string>} config
 * @param {readonly string[]} plugins
 */
export function writeRabbitFiles({ directory, port }, config, plugins) {
  const lines = {
    'listeners.tcp.default': `127.0.0.1:${port}`,
    'log.console': 'true',
    'log.console.level': 'info',
    'log.file': 'false',
    'disk_free_limit.absolute': '50MB',
    'vm_memory_high_watermark.absolute': '512MiB',
    ...config,
  }
  const text = Object.entries(lines).map(([name, value]) => `${name} = ${value}\n`)
  writeFileSync(join(directory, 'rabbitmq.conf'), text.join(''))
  writeFileSync(join(directory, 'enabled_plugins'), `[${plugins.join(',')}].\n`)
}
