import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'
import { describe, it } from 'node:test'
import { sinkContract } from 'mongo-rabbit-cdc/testing'
import { httpSink } from './http-sink.js'

/** A sink, and an endpoint that answers 400 to negative numbers and 503 to zero. */
async function make() {
  const numbers = []
  const server = createServer(async (request, response) => {
    const { n } = await json(request)
    if (n > 0) numbers.push(n)
    response.writeHead(n > 0 ? 204 : n < 0 ? 400 : 503).end()
  })
  await once(server.listen(0), 'listening')
  const message = n => ({ body: Buffer.from(JSON.stringify({ n })), contentType: 'application/json' })
  return {
    sink: httpSink({ url: `http://localhost:${server.address().port}` }),
    message,
    impossible: () => message(-1),
    received: async () => numbers,
    async remove() {
      server.close()
      server.closeAllConnections()
    },
  }
}

describe('the HTTP sink', () => {
  for (const { name, run } of sinkContract(make)) it(name, run)

  it('asks to be called again where the endpoint is busy, or away', async () => {
    const { sink, message, remove } = await make()
    await assert.rejects(sink.publish(message(0), { id: 'a' }), { reason: 'nack' })
    await remove()
    await assert.rejects(sink.publish(message(1), { id: 'b' }), { reason: 'nack' })
  })
})
