// `npm run services [-- --nodes 3]`: both services in the foreground, until Ctrl+C.
import { parseArgs } from 'node:util'
import { commandLine } from '../command-line.mjs'
import { startServices } from './index.mjs'

const nodes = commandLine('npm run services [-- --nodes 1|3]', args => {
  const { values } = parseArgs({ args, options: { nodes: { type: 'string', default: '1' } } })
  if (values.nodes === '1' || values.nodes === '3') return values.nodes === '1' ? 1 : 3
  throw new Error(`Expected \`--nodes\` to be 1 or 3, got ${values.nodes}`)
})

/** @type {import('./index.mjs').Services | undefined} */
let services
let stopping = false
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.on(signal, () => {
    // Before they're ready, and at a second Ctrl+C, there's nothing to wait for: the supervisors end every process and
    // remove every folder as soon as this process is gone.
    if (stopping || !services) process.exit(130)
    stopping = true
    console.error('\nStopping …')
    services.stop().then(
      () => process.exit(0),
      error => fail(error),
    )
  })
}

try {
  services = await startServices({ mongo: { nodes }, onProgress: line => console.error(line) })
  console.log(`export MONGODB_URI='${services.mongo.uri}'`)
  console.log(`export AMQP_URL='${services.rabbit.url}'`)
  console.error('Both are ready: press Ctrl+C to stop')
} catch (error) {
  fail(error)
}

/**
 * @param {unknown} error
 * @returns {never}
 */
function fail(error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
}
