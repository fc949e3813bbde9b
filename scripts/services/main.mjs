// `npm run services [-- --nodes 3]`: both services in the foreground, until Ctrl+C.
import { parseArgs } from 'node:util'
import { startServices } from './index.mjs'

const { values } = parseArgs({ options: { nodes: { type: 'string', default: '1' } } })
const nodes = Number(values.nodes)
if (nodes !== 1 && nodes !== 3) {
  console.error(`\`--nodes\`: expected 1 or 3, got ${values.nodes}`)
  process.exit(2)
}

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
