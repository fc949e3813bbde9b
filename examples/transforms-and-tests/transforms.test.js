import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCdcPipeline, memoryCheckpointStore } from 'mongo-rabbit-cdc'
import { arraySource, bodyOf, changeEvents, collectingSink, runTransform } from 'mongo-rabbit-cdc/testing'
import { orderMessages } from './transforms.js'

const transform = orderMessages({ rateOf: async currency => ({ EUR: 1, CHF: 2 })[currency] })
const order = { _id: 7, total: 10, currency: 'CHF', status: 'new' }

test('an order is published with its total in euros', async () => {
  const [message] = await runTransform(transform, changeEvents().insert(order))
  assert.equal(message.routingKey, 'orders.insert')
  assert.deepEqual(bodyOf(message), {
    total: 10,
    currency: 'CHF',
    status: 'new',
    euros: 20,
    type: 'orders',
    entry_id: '7',
  })
})

test('a test order is not published', async () => {
  assert.deepEqual(await runTransform(transform, changeEvents().insert({ ...order, test: true })), [])
})

test('an update is published only if it touches the status or the total', async () => {
  const events = changeEvents()
  const paid = events.update(7, { set: { status: 'paid' }, fullDocument: { ...order, status: 'paid' } })
  const noted = events.update(7, { set: { note: 'call back' }, fullDocument: order })
  assert.equal((await runTransform(transform, paid)).length, 1)
  assert.equal((await runTransform(transform, noted)).length, 0)
})

test('a delete is published with its key alone', async () => {
  const [message] = await runTransform(transform, changeEvents().delete(7))
  assert.equal(message.routingKey, 'orders.delete')
  assert.deepEqual(bodyOf(message), { type: 'orders', entry_id: '7' })
})

test('a message that the broker does not take at first arrives before the next one of its order', async () => {
  const events = changeEvents()
  const sink = collectingSink({ answer: (_message, _delivery, attempt) => (attempt === 1 ? 'nack' : 'ack') })
  const pipeline = createCdcPipeline({
    name: 'test',
    source: arraySource([events.insert(order), events.delete(7)]),
    transform,
    sink,
    checkpointStore: memoryCheckpointStore(),
    retry: { minDelayMs: 1, maxDelayMs: 1 },
  })
  await pipeline.run()
  assert.deepEqual(
    sink.messages.map(message => message.routingKey),
    ['orders.insert', 'orders.delete'],
  )
})
