import type { ChangeStreamDocument, Db } from 'mongodb'
import * as v from 'valibot'
import { afterEach, describe, expect, inject, it } from 'vitest'
import {
  changeEventMessage,
  deadLetterMessage,
  memoryCheckpointStore,
  parseDeadLetter,
  pipe,
  type RabbitMessage,
  RabbitPublisher,
  redact,
  redrive,
  validate,
  when,
} from '../../src/index.js'
import { depthOf, Inbox, type Received } from './support/inbox.js'
import { inDatabase, started, unique } from './support/pipelines.js'
import { PLANTED, Told } from './support/secrets.js'
import { until } from './support/waiting.js'

const uri = inject('mongoUri')
const url = inject('amqpUrl')
const inboxes: Inbox[] = []

afterEach(async () => {
  for (const inbox of inboxes.splice(0)) {
    await inbox.channel.deleteQueue(inbox.queue)
    await inbox.close()
  }
})

async function inboxOf(queue: string, idle = false): Promise<Inbox> {
  const inbox = await (idle ? Inbox.idle(url, queue) : Inbox.open(url, queue))
  inboxes.push(inbox)
  return inbox
}

const hide = redact([
  ['email', { hash: { key: 'a key of more than 16 bytes' } }],
  ['iban', { mask: '****', keepLast: 4 }],
  ['lines.note', { mask: '*' }],
  ['people', 'remove'],
  [['a.b', '$c'], 'remove'],
])

const personal = {
  email: `${PLANTED}@example.org`,
  iban: `DE-${PLANTED}-3000`,
  lines: [{ sku: 1, note: PLANTED }, { note: { deep: PLANTED } }],
  people: { [`${PLANTED}@example.org`]: { age: PLANTED } },
  'a.b': { $c: PLANTED, kept: 1 },
}

/** Refuses people whose ages are texts, by their names. */
const ages = validate(v.looseObject({ people: v.record(v.string(), v.looseObject({ age: v.number() })) }))
const shape = changeEventMessage()

function whyOf(event: ChangeStreamDocument): string | undefined {
  return (event as { fullDocument?: { why?: string } }).fullDocument?.why
}

/** What fails before, behind, and after redaction; `why` tells which. */
const transform = pipe(
  when((event: ChangeStreamDocument) => whyOf(event) === 'schema', ages),
  hide,
  event => {
    const why = whyOf(event)
    if (why === 'throw') throw new Error('no')
    const message: RabbitMessage = shape(event as never)
    if (why === 'key') return { ...message, routingKey: message.body.toString().padEnd(300) }
    if (why === 'header') return { ...message, headers: { [message.body.toString()]: 1 } }
    return why === 'unroutable' ? { ...message, exchange: '', routingKey: unique('nowhere') } : message
  },
)

async function write(db: Db): Promise<void> {
  const people = db.collection<{ _id: string }>('people')
  for (const why of ['none', 'schema', 'throw', 'key', 'header', 'unroutable']) {
    await people.insertOne({ _id: why, why, ...personal } as never)
  }
  const set = {
    [`people.${PLANTED}2.age`]: PLANTED,
    'lines.0.note': PLANTED,
    'lines.1': { note: PLANTED },
    iban: PLANTED,
  }
  await people.updateOne({ _id: 'none' }, { $set: set, $unset: { [`people.${PLANTED}@example`]: 1 } })
}

const textOf = ({ text, properties, routingKey }: Received): string =>
  `${text} ${JSON.stringify(properties)} ${routingKey}`

describe('personal data between real servers', () => {
  it('shows in no message, dead letter, event or error, whatever fails, and not when letters are sent again', () =>
    inDatabase(uri, async (db, client) => {
      const queue = unique('redacted')
      const inbox = await inboxOf(queue)
      const letters = await inboxOf(unique('letters'), true)
      const told = new Told()
      const store = memoryCheckpointStore()
      const { pipeline, source, sink } = await started({
        client,
        database: db.databaseName,
        url,
        queue,
        source: { fullDocument: 'updateLookup' },
        transform,
        checkpointStore: store,
        maxAttempts: 2,
        onFailedEvent: 'dead-letter',
        deadLetter: { message: deadLetterMessage({ exchange: '', routingKey: letters.queue, redact: hide }) },
      })
      told.listen(pipeline, source, sink, store)
      await write(db)
      await inbox.take(2)
      await letters.consume()
      await letters.take(5)
      await pipeline.stop()
      expect(told.has('pipeline failedEvent')).toBe(true)
      expect(told.leaks()).toEqual([])
      expect([...inbox.received, ...letters.received].map(textOf).filter(text => text.includes(PLANTED))).toEqual([])

      const again = await inboxOf(unique('again'))
      const waiting = await inboxOf(unique('waiting'), true)
      for (const { text } of letters.received) {
        expect(await parseDeadLetter(text)).toMatchObject({ redacted: true })
        waiting.channel.sendToQueue(waiting.queue, Buffer.from(text))
      }
      await until(
        async () => (await depthOf(waiting)) === 5,
        () => '5 letters in the queue',
      )
      const to = (): RabbitPublisher => new RabbitPublisher({ url, queue: { name: again.queue } })
      const refused = await redrive({ url, queue: waiting.queue, transform: pipe(hide, shape), sink: to() })
      expect(refused).toMatchObject({ redriven: 0, failed: 5, remaining: 5 })
      for (const failure of refused.failures) told.note('redrive', failure)
      expect(await redrive({ url, queue: waiting.queue, transform: shape, sink: to() })).toMatchObject({ redriven: 5 })
      await again.take(5)
      expect(told.leaks()).toEqual([])
      expect(again.received.map(textOf).filter(text => text.includes(PLANTED))).toEqual([])
    }))
})
