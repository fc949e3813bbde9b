import { once } from 'node:events'
import { createServer } from 'node:http'
import { config } from './config.js'
import { client, pipeline } from './pipeline.js'

const server = createServer((request, response) => {
  const health = pipeline.health()
  // `live` asks for a restart, `ready` doesn't: a pipeline that isn't ready waits for a server and goes on by itself.
  const ok = request.url === '/live' ? health.live : health.ready
  response.writeHead(ok ? 200 : 503, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ ...health, stats: pipeline.stats() }))
})

pipeline.on('state', ({ from, to, reasons }) => log('state', { from, to, reasons }))
pipeline.on('failedEvent', ({ stage, error, action }) => log('failed event', { stage, action, error: error.message }))

await once(server.listen(config.port), 'listening')
log('listening', { address: `http://localhost:${server.address().port}` })
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => pipeline.stop())
try {
  await pipeline.run() // resolves after stop(), rejects with what can't be healed
} finally {
  await once(server.close(), 'close') // only now: while the pipeline finishes what is in flight, /health answers 503
  await client.close() // last: the pipeline's last position is saved through it
}

/** One line of JSON, for whatever collects the logs. No documents in it. */
function log(message, fields) {
  console.log(JSON.stringify({ time: new Date().toISOString(), message, ...fields }))
}
