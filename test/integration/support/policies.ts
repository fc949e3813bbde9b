import type { BSON, ChangeStreamDocument, Collection, Db, Document } from 'mongodb'
import { expect } from 'vitest'
import {
  type CdcPipeline,
  type CheckpointStore,
  changeEventMessage,
  deadLetterMessage,
  type Position,
  type RabbitMessage,
  RabbitPublisher,
} from '../../../src/index.js'
import { Inboxes } from './inbox.js'
import { inDatabase, started, unique } from './pipelines.js'
import { flawless, now, verdict } from './truth.js'
import { inState, until } from './waiting.js'

// What is said about policies while something else is out of order: for test/integration and for test/long.

export interface Numbered {
  _id: number
  n: number
  poison?: boolean
}

export const documentsOf = (db: Db): Collection<Numbered> => db.collection('c')
export const numberOf = ({ body }: { readonly body: Document }): number => body.fullDocument?.n
export const isPoison = (event: ChangeStreamDocument): boolean => 'fullDocument' in event && event.fullDocument?.poison

const shape = changeEventMessage()

/** A transform that throws at poison. */
export function throwing(event: ChangeStreamDocument): RabbitMessage {
  if (isPoison(event)) throw new Error('poison')
  return shape(event)
}

/** When the first poison was written, as soon as it is known. */
export class FirstPoison {
  time: bigint | undefined

  saw(event: ChangeStreamDocument): void {
    this.time ??= (event.clusterTime as BSON.Timestamp).toBigInt()
  }

  /** Collects the positions that are saved beyond it while no letter is confirmed: there must be none. */
  passedBy(pipeline: CdcPipeline): Position[] {
    const wrong: Position[] = []
    pipeline.on('checkpoint', ({ position }) => {
      const { t, i } = position.clusterTime
      const saved = (BigInt(t) << 32n) + BigInt(i)
      const open = pipeline.stats().deadLettered === 0
      if (open && this.time !== undefined && saved >= this.time) wrong.push(position)
    })
    return wrong
  }
}

/** Servers and the ways to take a part of them away. */
interface Outage {
  readonly away: () => Promise<unknown>
  readonly back: () => Promise<unknown>
}

/** Takes the target of dead letters away, has an event fail, and looks what waits for its letter. */
export async function outlivesTarget(
  servers: { readonly uri: string; readonly url: string; readonly lettersUrl: string; readonly lettersPort: number },
  { reason, away, back }: Outage & { readonly reason: string },
): Promise<void> {
  const { uri, url, lettersUrl, lettersPort } = servers
  const inboxes = new Inboxes()
  await inDatabase(uri, async (db, client) => {
    const [queue, target] = [unique('main'), unique('letters')]
    const inbox = await inboxes.open(url, queue)
    const poison = new FirstPoison()
    const { pipeline } = await started({
      client,
      database: db.databaseName,
      url,
      queue,
      transform: event => {
        if (isPoison(event)) poison.saw(event)
        return throwing(event)
      },
      onFailedEvent: 'dead-letter',
      deadLetter: {
        sink: new RabbitPublisher({
          url: lettersUrl.replace(/:\d+$/, `:${lettersPort}`),
          queue: { name: target },
          heartbeatMs: 1_000,
          confirmTimeoutMs: 1_000,
          connectTimeoutMs: 1_000,
          reconnect: { minDelayMs: 20, maxDelayMs: 200 },
        }),
        message: deadLetterMessage({ exchange: '', routingKey: target }),
      },
      checkpointIntervalMs: 20,
    })
    const wrong = poison.passedBy(pipeline)
    await away()
    await documentsOf(db).insertOne({ _id: 1, n: 0, poison: true })
    for (let n = 1; n <= 3; n++) await documentsOf(db).replaceOne({ _id: 1 }, { n: -n })
    await documentsOf(db).insertMany(Array.from({ length: 40 }, (_, n) => ({ _id: n + 2, n: n + 1 })))
    await inbox.take(40)
    await inState(pipeline, 'degraded', reason)
    expect(inbox.received.map(numberOf)).toEqual(Array.from({ length: 40 }, (_, n) => n + 1))
    expect(pipeline.stats()).toMatchObject({ deadLettered: 0, failed: 1, inFlight: 44 })
    await back()
    await inbox.take(43)
    expect(inbox.received.slice(40).map(numberOf)).toEqual([-1, -2, -3])
    await inState(pipeline, 'running')
    expect(wrong).toEqual([])
    expect(await pipeline.stop()).toEqual({ drained: true, unconfirmed: 0 })
    const [letter] = await (await inboxes.open(lettersUrl, target)).take(1)
    expect(letter?.text).toContain('poison')
  })
  await inboxes.remove()
}

const limits = { maxInFlight: 50, maxUnsavedEvents: 100, checkpointIntervalMs: 20 }

/** Takes the store away until the reading stops, gives it back, and looks whether anything is wrong. */
export async function outlivesStore(
  { uri, url }: { readonly uri: string; readonly url: string },
  checkpointStore: CheckpointStore,
  { failure, away, back }: Outage & { readonly failure?: object },
): Promise<void> {
  const inboxes = new Inboxes()
  await inDatabase(uri, async (db, client) => {
    const queue = unique('store')
    const inbox = await inboxes.open(url, queue)
    const from = await now(client)
    const wanted = { client, database: db.databaseName, url, queue, checkpointStore, ...limits }
    const { pipeline } = await started(wanted)
    const failures: unknown[] = []
    pipeline.on('checkpointFailed', ({ error }) => failures.push(error))
    const insert = (documents: number): Promise<unknown> =>
      db.collection('a').insertMany(Array.from({ length: documents }, (_, n) => ({ n })))
    await insert(10)
    // The position of the last one, not of the first that was confirmed: from here on all that is unsaved is counted.
    await until(
      () => pipeline.stats().published === 10 && pipeline.stats().unsavedEvents === 0,
      () => 'the save of all of them',
    )
    await away()
    await insert(5 * limits.maxUnsavedEvents)
    await inState(pipeline, 'degraded', 'checkpoint')
    await until(
      () => pipeline.stats().unsavedEvents >= limits.maxUnsavedEvents,
      () => `${limits.maxUnsavedEvents} unsaved, got ${pipeline.stats().unsavedEvents}`,
    )
    await inbox.take(10 + limits.maxUnsavedEvents)
    expect(pipeline.stats().published).toBeLessThanOrEqual(10 + limits.maxUnsavedEvents + limits.maxInFlight)
    if (failure) {
      await until(
        () => failures.length > 0,
        () => 'a save that fails',
      )
      expect(failures[0]).toMatchObject(failure)
    }
    await back()
    await inState(pipeline, 'running')
    expect(await verdict(client, db.databaseName, from, inbox, 5 * limits.maxUnsavedEvents)).toEqual({
      ...flawless,
      duplicates: 0,
    })
    expect(await pipeline.stop()).toEqual({ drained: true, unconfirmed: 0 })
  })
  await inboxes.remove()
}
