import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { AnyBulkWriteOperation, Db, MongoClient, Timestamp } from 'mongodb'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { fileCheckpointStore, messageId, parseDeadLetter } from '../../src/index.js'
import { ejsonText } from '../../src/message/ejson-encoder.js'
import { seeded } from '../unit/pipeline/support/random.js'
import { type Inbox, Inboxes, type Received } from './support/inbox.js'
import { withDatabase } from './support/mongo.js'
import { oddDocuments, writeOdd } from './support/odd-documents.js'
import { unique } from './support/pipelines.js'
import { decisionOf, poisonKinds, poisonOf } from './support/poison.js'
import { PipelineProcess } from './support/process.js'
import type { Failed, ProcessOptions } from './support/process-program.js'
import { check, complete, flawless, now, type TrueEvent, truth } from './support/truth.js'

// Every kind of poison and every odd document in the middle of 1,000 good changes of a few documents. Each run of a
// pipeline is a process of its own, killed again and again: around each poison, and anywhere.

const uri = inject('mongoUri')
const url = inject('amqpUrl')
const inboxes = new Inboxes()
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32))
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cdc-poison-'))
})

afterEach(() => inboxes.remove())

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** What is written: a good change, unless it says otherwise; a poison has values of an odd document too. */
interface Step {
  readonly poison?: string
  readonly odd?: string
}

const good: Step = {}
const documents = 9
const maxInFlight = 25
/** Good changes behind each poison: more than the span, so that a stop is over exactly one of them. */
const between = 40

/** 500 good changes; each poison and each odd document, good ones in between; 500 good changes. */
function planOf(random: () => number): Step[] {
  const odd = shuffled(Object.keys(oddDocuments), random)
  const values = shuffled(odd, random).filter(name => !oddDocuments[name]!.stages)
  const middle = shuffled(Object.keys(poisonKinds), random).flatMap((poison, place) => {
    const behind: Step[] = Array(between).fill(good)
    for (const name of odd.splice(0, 2)) behind.splice(Math.floor(random() * between), 0, { odd: name })
    return [{ poison, odd: values[place % values.length]! }, ...behind]
  })
  return [...Array(500).fill(good), ...middle, ...Array(500).fill(good)]
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const keyed = items.map(item => ({ item, key: random() }))
  return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item)
}

/** One event per step. Each document is written again every `documents` steps, also before and behind its poison. */
async function write(db: Db, steps: readonly Step[]): Promise<void> {
  const changes = db.collection<Changed>('c')
  await changes.insertMany(Array.from({ length: documents }, (_, _id) => ({ _id })))
  let operations: AnyBulkWriteOperation<Changed>[] = []
  const flush = async (): Promise<void> => {
    if (operations.length > 0) await changes.bulkWrite(operations)
    operations = []
  }
  for (const [n, { poison, odd }] of steps.entries()) {
    const _id = (n * 7) % documents
    if (odd === undefined) operations.push(goodOne(_id, n))
    else {
      await flush()
      await writeOdd(uri, db, _id, oddDocuments[odd]!, poison === undefined ? {} : { poison })
    }
  }
  await flush()
}

interface Changed {
  readonly _id: number
  readonly n?: number
}

function goodOne(_id: number, n: number): AnyBulkWriteOperation<Changed> {
  const filter = { _id }
  if (n % 11 === 10) return { deleteOne: { filter } }
  if (n % 7 === 6) return { replaceOne: { filter, replacement: { n }, upsert: true } }
  return { updateOne: { filter, update: { $set: { n } }, upsert: true } }
}

/** The names of the kinds, in the order in which they are written. */
function kindsOf(plan: readonly Step[]): string[] {
  return plan.flatMap(({ poison }) => poison ?? [])
}

/** How many messages arrive before this poison, more or less. */
function placeOf(plan: readonly Step[], kind: string): number {
  return documents + plan.findIndex(({ poison }) => poison === kind)
}

interface Expected {
  readonly all: TrueEvent[]
  readonly good: TrueEvent[]
  readonly poison: ReadonlyMap<string, TrueEvent>
}

async function expectedOf(client: MongoClient, db: Db, from: Timestamp, plan: readonly Step[]): Promise<Expected> {
  const all = await truth(client, { database: db.databaseName }, from)
  expect(all).toHaveLength(documents + plan.length)
  const poison = new Map(all.flatMap(event => [[poisonOf(event.event), event] as const]))
  poison.delete(undefined)
  expect([...poison.keys()]).toEqual(kindsOf(plan))
  return {
    all,
    good: all.filter(({ event }) => poisonOf(event) === undefined),
    poison: poison as Map<string, TrueEvent>,
  }
}

function ordersOf(received: readonly Received[]): Set<string | undefined> {
  return new Set(received.map(({ order }) => order))
}

async function everything(expected: readonly TrueEvent[], inbox: Inbox): Promise<void> {
  await inbox.until(
    () => complete(expected, inbox.received),
    () => `${expected.length} events, got ${ordersOf(inbox.received).size}`,
  )
}

/** Resolves when so many different events have arrived. */
async function arrived(inbox: Inbox, count: number): Promise<void> {
  await inbox.until(
    () => inbox.received.length >= count && ordersOf(inbox.received).size >= count,
    () => `${count} events, got ${ordersOf(inbox.received).size}`,
  )
}

/** Nothing lost, nothing that doesn't belong there, in order per document; each odd document with what is odd in it. */
function expectInOrder(expected: readonly TrueEvent[], inbox: Inbox): void {
  const { duplicates, ...verdict } = check(expected, inbox.received)
  expect(verdict).toEqual(flawless)
  const bodies = inbox.received.map(({ text }) => text)
  const missing = Object.entries(oddDocuments).filter(([, { arrives }]) => !bodies.some(body => body.includes(arrives)))
  expect(missing.map(([name]) => name)).toEqual([])
}

function optionsOf(db: Db, queue: string): ProcessOptions {
  return {
    mongoUri: uri,
    amqpUrl: url,
    database: db.databaseName,
    queue,
    store: { path: join(folder, '{name}.json') },
    pipeline: { maxInFlight, checkpointIntervalMs: 20 },
    slowMs: 10,
  }
}

/** Kills the process when so many events have arrived, and starts another one, again and again. */
async function killed(options: ProcessOptions, first: PipelineProcess, inbox: Inbox, moments: readonly number[]) {
  const failed: Failed[] = []
  let running = first
  for (const moment of [...moments].sort((a, b) => a - b)) {
    await arrived(inbox, moment)
    await running.kill()
    failed.push(...running.failed)
    running = await PipelineProcess.started(options)
  }
  return { running, failed }
}

describe(`poison of every kind in the middle of 1,000 good changes (SEED=${seed})`, { timeout: 300_000 }, () => {
  it.each([
    { onFailedEvent: 'dead-letter', kills: 1 },
    { onFailedEvent: 'skip', kills: 0.5 }, // around half of the kinds, others each time: a process takes its time
    { onFailedEvent: 'function', kills: 0.5 },
  ] as const)(
    'is where $onFailedEvent says, and all others arrive in order, whenever the process is killed',
    ({ onFailedEvent, kills }) =>
      withDatabase(uri, async (db, client) => {
        const random = seeded(seed + onFailedEvent.length)
        const plan = planOf(random)
        const inbox = await inboxes.open(url, unique(onFailedEvent))
        const letters = await inboxes.open(url, unique('letters'))
        const options = { ...optionsOf(db, inbox.queue), onFailedEvent, deadLetters: letters.queue }
        const first = await PipelineProcess.started(options)
        const from = await now(client)
        const writing = write(db, plan)
        const kinds = kindsOf(plan).filter(() => random() < kills)
        const around = kinds.map(kind => placeOf(plan, kind) + Math.floor(random() * maxInFlight) - 8)
        const anywhere = Math.floor(random() * plan.length)
        const { running, failed } = await killed(options, first, inbox, [...around, anywhere])
        await writing
        const { good, poison } = await expectedOf(client, db, from, plan)
        await everything(good, inbox)
        await running.stop()
        expectInOrder(good, inbox)
        expectDisposed([...failed, ...running.failed], poison, onFailedEvent)
        await expectLetters(letters, poison, onFailedEvent)
      }),
  )

  it('ends the pipeline with "stop", at each start again, until the transform is mended; then all arrive in order', () =>
    withDatabase(uri, async (db, client) => {
      const random = seeded(seed)
      const plan = planOf(random)
      const inbox = await inboxes.open(url, unique('stop'))
      const options = optionsOf(db, inbox.queue)
      const first = await PipelineProcess.started(options)
      const from = await now(client)
      await first.kill()
      await write(db, plan)
      const { all, poison } = await expectedOf(client, db, from, plan)
      const mended: string[] = []
      let before = ''
      for (const [kind, { token, order }] of poison) {
        const wanted = { ...options, mended, onFailedEvent: random() < 0.5 ? 'stop' : 'function that stops' } as const
        if (random() < 0.4) await killedOnTheWay(wanted, inbox, placeOf(plan, kind) - 2 * maxInFlight, random)
        for (const _ of random() < 0.2 ? ['at each start', 'again'] : ['once']) {
          const process = await PipelineProcess.fork(wanted)
          await process.ended()
          expectStopped(process, kind, token)
          expect(ordersOf(inbox.received)).not.toContain(order)
          // In between, so that a position that never moves is noticed too.
          const saved = await savedToken(inbox.queue)
          expect([before, saved, token]).toEqual([before, saved, token].sort())
          expect(saved).not.toBe(token)
          expect(saved).not.toBe('')
        }
        mended.push(kind)
        before = token
      }
      const last = await PipelineProcess.started({ ...options, onFailedEvent: 'stop', mended })
      await everything(all, inbox)
      await last.stop()
      expectInOrder(all, inbox)
    }))
})

/** The process ended over this event and no other, and said so. */
function expectStopped(process: PipelineProcess, kind: string, token: string): void {
  const { stage, code } = poisonKinds[kind]!
  expect(process.failed).toMatchObject([{ id: token, poison: kind, stage, code, action: 'stop' }])
  expect(process.output).toContain(`failed for good in stage "${stage}"`)
  expect(process.output).toContain(code)
}

/** A process that is killed behind the event at `place`, a moment later than anybody can tell. */
async function killedOnTheWay(options: ProcessOptions, inbox: Inbox, place: number, random: () => number) {
  const process = await PipelineProcess.fork(options)
  await arrived(inbox, place)
  await pause(random() * 100) // random moments are the point
  await process.kill()
}

/** The token up to which the position of a pipeline is saved; none yet sorts before all. */
async function savedToken(name: string): Promise<string> {
  const checkpoint = await fileCheckpointStore({ path: join(folder, '{name}.json') }).load(name)
  return (checkpoint?.position.token as { _data: string } | undefined)?._data ?? ''
}

/** Each poison was told, as what it is; a process that came later may have met it once more. */
function expectDisposed(failed: readonly Failed[], poison: Expected['poison'], policy: string): void {
  const told = new Set(failed.map(({ id, poison, stage, code, action }) => [id, poison, stage, code, action].join()))
  const wanted = [...poison].map(([kind, { token }]) => {
    const { stage, code } = poisonKinds[kind]!
    return [token, kind, stage, code, actionOn(kind, policy)].join()
  })
  expect(told).toEqual(new Set(wanted))
}

function actionOn(kind: string, policy: string): string {
  return policy === 'function' ? decisionOf(poisonKinds[kind]!) : policy
}

/** The letters that have to be there, and no others: each with the whole event, copies under one id. */
async function expectLetters(letters: Inbox, poison: Expected['poison'], policy: string): Promise<void> {
  const wanted = [...poison].filter(([kind]) => actionOn(kind, policy) === 'dead-letter')
  const ids = wanted.map(([, { token }]) => messageId(token, -1))
  await letters.until(
    () => ids.every(id => letters.received.some(letter => letter.messageId === id)),
    () => `${ids.length} letters, got ${letters.received.length}`,
  )
  expect(new Set(letters.received.map(letter => letter.messageId))).toEqual(new Set(ids))
  for (const { text, messageId: id } of letters.received) {
    const [kind = '', { event }] = wanted[ids.indexOf(id)]!
    const { event: parsed, stage, error } = await parseDeadLetter(text)
    expect([stage, error.code]).toEqual([poisonKinds[kind]!.stage, poisonKinds[kind]!.code])
    expect(ejsonText(parsed, 'canonical')).toBe(ejsonText(event, 'canonical'))
  }
}

describe('an image that is required but missing in the middle of 1,000 good changes', () => {
  it('ends the pipeline at each start; asked for less it goes on, and all arrive in order', () =>
    withDatabase(uri, async (db, client) => {
      const inbox = await inboxes.open(url, unique('images'))
      const images = { changeStreamPreAndPostImages: { enabled: true } }
      await db.createCollection('c', images)
      const options = { ...optionsOf(db, inbox.queue), needsImages: true }
      const first = await PipelineProcess.started(options)
      const from = await now(client)
      await first.kill()
      const changes = db.collection<{ _id: number; n: number }>('c')
      const goodOnes = (count: number) =>
        changes.bulkWrite(
          Array.from({ length: count }, (_, n) => ({
            updateOne: { filter: { _id: n % documents }, update: { $set: { n } }, upsert: true },
          })),
        )
      await goodOnes(500)
      await db.command({ collMod: 'c', changeStreamPreAndPostImages: { enabled: false } })
      await changes.updateOne({ _id: 1 }, { $set: { n: -1 } })
      await db.command({ collMod: 'c', ...images })
      await goodOnes(500)
      const all = await truth(client, { database: db.databaseName }, from)
      const missing = all.find(({ event }) => event.updateDescription?.updatedFields?.n === -1)!
      for (const _ of [1, 2]) {
        const process = await PipelineProcess.fork(options)
        await process.ended()
        expect(process.output).toContain('CDC_IMAGE_MISSING')
        expect(ordersOf(inbox.received)).not.toContain(missing.order)
        expect((await savedToken(inbox.queue)) < missing.token).toBe(true)
      }
      const last = await PipelineProcess.started({ ...options, needsImages: false })
      await everything(all, inbox)
      await last.stop()
      const { duplicates, ...verdict } = check(all, inbox.received)
      expect(verdict).toEqual(flawless)
    }))
})
