import fastify from 'fastify'
import { client, pipeline } from './pipeline.js'

const app = fastify()

app.get('/health', (_request, reply) => {
  const health = pipeline.health()
  return reply.code(health.ready ? 200 : 503).send(health)
})
app.get('/stats', () => pipeline.stats())

// The server comes first: while MongoDB or RabbitMQ is away, /health says so.
console.log('Listening on', await app.listen({ port: Number(process.env.PORT ?? 3000) }))
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => pipeline.stop())
try {
  await pipeline.run() // resolves after stop(), rejects with what can't be healed
} finally {
  await app.close() // only now: while the pipeline finishes what is in flight, /health answers 503
  await client.close() // last: the pipeline's last position is saved through it
}
