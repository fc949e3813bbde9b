import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import amqp, { type Channel, type ChannelModel } from 'amqplib'
import type { Collection } from 'mongodb'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { read, root } from '../unit/docs/pages.js'
import { withDatabase } from './support/mongo.js'
import { unique } from './support/pipelines.js'
import { until } from './support/waiting.js'

interface Change {
  readonly key: string
  readonly order: string
  readonly operation: string
  readonly body: unknown
}
type Apply = (change: Change) => Promise<void>

/** The code of docs/production.md, as people copy it. */
interface Consumer {
  consume(url: string, queue: string, apply: Apply): Promise<void>
  applyTo(rows: Collection): Apply
}

const folder = join(root, 'node_modules/.cache/mongo-rabbit-cdc', unique('consumer'))

/** With another text in the place of a part of it, where one is given. */
async function consumer(part = '', instead = ''): Promise<Consumer> {
  const blocks = [...read('docs/production.md').matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code)
  const wanted = blocks.filter(code => /export (async )?function (consume|applyTo)\(/.test(code))
  const text = wanted.map(code => code.replace(/^import type .*\n/gm, '')).join('\n')
  expect(text).toContain(part)
  const file = join(folder, `${unique('code')}.mjs`)
  const { ESNext } = ts.ModuleKind
  const { ES2022 } = ts.ScriptTarget
  const compilerOptions = { module: ESNext, target: ES2022 }
  writeFileSync(file, ts.transpileModule(text.replace(part, instead), { compilerOptions }).outputText)
  return await import(/* @vite-ignore */ file)
}

beforeAll(() => void mkdirSync(folder, { recursive: true }))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const DOCUMENTS = 300
const CHANGES = 6

/** Applies all changes at once, as a prefetch allows, and returns how many documents are not at their newest. */
async function stale({ applyTo }: Consumer): Promise<number> {
  return await withDatabase(inject('mongoUri'), async db => {
    const rows = db.collection('rows')
    const apply = applyTo(rows)
    const changes = Array.from({ length: DOCUMENTS * CHANGES }, (_, i) => {
      const [key, n] = [`shop.orders/${Math.floor(i / CHANGES)}`, i % CHANGES]
      return { key, order: `82${n}`, operation: 'update', body: { fullDocument: { _id: { $oid: key }, 'a.b': n } } }
    })
    await Promise.all(changes.map(apply))
    const newest = { order: `82${CHANGES - 1}`, 'body.fullDocument': { $exists: true } }
    return DOCUMENTS - (await rows.countDocuments(newest))
  })
}

describe('`apply` of the docs for MongoDB', () => {
  it('leaves the newest change of each document, however many are applied at once', async () => {
    const code = await consumer()
    for (let round = 0; round < 2; round++) expect(await stale(code)).toBe(0)
  })

  it('needs its second attempt: without it documents stay at an older change', async () => {
    const code = await consumer('isDuplicate(error) && write()', 'isDuplicate(error)')
    let found = 0
    for (let round = 0; round < 20 && found === 0; round++) found = await stale(code)
    expect(found).toBeGreaterThan(0)
  })

  it('keeps a tombstone, which an older copy does not bring back', async () => {
    const { applyTo } = await consumer()
    await withDatabase(inject('mongoUri'), async db => {
      const rows = db.collection<{ _id: string }>('rows')
      const apply = applyTo(rows as never)
      await apply({ key: 'k', order: '821', operation: 'insert', body: 1 })
      await apply({ key: 'k', order: '823', operation: 'delete', body: 3 })
      await apply({ key: 'k', order: '822', operation: 'update', body: 2 })
      expect(await rows.findOne({ _id: 'k' })).toEqual({ _id: 'k', order: '823', deleted: true, body: 3 })
    })
  })
})

describe('the consumer of the docs', () => {
  let connection: ChannelModel
  let channel: Channel
  beforeAll(async () => {
    connection = await amqp.connect(inject('amqpUrl'))
    channel = await connection.createChannel()
  })
  afterAll(() => connection.close())

  it('survives what it can not read or apply, which ends in the dead-letter exchange, and applies the rest', async () => {
    const [queue, failed] = [unique('consumer'), unique('failed')]
    await channel.assertExchange(failed, 'fanout')
    await channel.assertQueue(failed)
    await channel.bindQueue(failed, failed, '')
    const limits = { 'x-queue-type': 'quorum', 'x-delivery-limit': 2, 'x-dead-letter-exchange': failed }
    await channel.assertQueue(queue, { arguments: limits })
    const send = (messageId: string, body: string, order: string | undefined, operation = 'insert') => {
      const names = { 'x-cdc-database': 'shop', 'x-cdc-collection': 'orders', 'x-cdc-operation': operation }
      const headers = { ...names, ...(order !== undefined && { 'x-cdc-order': order }) }
      channel.sendToQueue(queue, Buffer.from(body), { messageId, headers })
    }
    send('no JSON', '{', '821')
    send('no order', '{"documentKey":{"_id":1}}', undefined)
    send('refused', '{"documentKey":{"_id":2}}', '822')
    send('a drop', '{"operationType":"drop"}', '823', 'drop')
    send('good', '{"documentKey":{"_id":3}}', '824')

    const silence = vi.spyOn(console, 'error').mockImplementation(() => {})
    const applied: Change[] = []
    const { consume } = await consumer()
    await consume(inject('amqpUrl'), queue, async change => {
      if (change.order === '822') throw new Error('refused')
      applied.push(change)
    })
    const letters: string[] = []
    await channel.consume(failed, letter => void letters.push(letter?.properties.messageId), { noAck: true })
    await until(
      () => letters.length === 3 && applied.length === 1,
      () => `three letters and one change, got ${letters} and ${applied.length}`,
    )
    silence.mockRestore()
    expect(letters.sort()).toEqual(['no JSON', 'no order', 'refused'])
    expect(applied).toEqual([
      { key: 'shop.orders/{"_id":3}', order: '824', operation: 'insert', body: { documentKey: { _id: 3 } } },
    ])
    const { messageCount } = await channel.checkQueue(queue)
    expect(messageCount).toBe(0)
    await channel.deleteQueue(queue)
    await channel.deleteQueue(failed)
    await channel.deleteExchange(failed)
  })
})
