import { once } from 'node:events'
import express from 'express'
import { metricsOf } from './metrics.js'
import { client, pipeline } from './pipeline.js'

const app = express()

app.get('/health', (_request, response) => {
  const health = pipeline.health()
  response.status(health.ready ? 200 : 503).json(health)
})
app.get('/metrics', (_request, response) => {
  response.type('text/plain; version=0.0.4').send(metricsOf(pipeline))
})

// The server comes first: while MongoDB or RabbitMQ is away, /health says so.
const server = app.listen(Number(process.env.PORT ?? 3000))
await once(server, 'listening')
console.log(`Listening on http://localhost:${server.address().port}`)
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => pipeline.stop())
try {
  await pipeline.run() // resolves after stop(), rejects with what can't be healed
} finally {
  await once(server.close(), 'close') // only now: while the pipeline finishes what is in flight, /health answers 503
  await client.close() // last: the pipeline's last position is saved through it
}
