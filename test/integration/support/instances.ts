import type { Db, Document, MongoClient, Timestamp } from 'mongodb'
import type { Inbox } from './inbox.js'
import { Load } from './load.js'
import { PipelineProcess } from './process.js'
import type { ProcessOptions } from './process-program.js'
import { now, type Verdict, verdict } from './truth.js'
import { until } from './waiting.js'

/** Two processes of one pipeline with a lease, under load. */
export interface Instances {
  /** Who has the lease, with its epoch, and who hasn't: on a busy machine it may have changed hands already. */
  ranks(): Promise<{
    readonly leader: PipelineProcess
    readonly other: PipelineProcess
    readonly epoch: number
    /** Whether it is the first one that leads. */
    readonly isFirst: boolean
  }>
  /** The end of the load, and what is wrong with what has arrived. */
  judge(inbox: Inbox): Promise<Verdict>
  /** What is wrong with the order in which leases were given and positions saved. */
  disputes(): Promise<string[]>
  remove(): Promise<void>
}

/** How to start them. */
export interface InstancesOptions {
  readonly mongoUri: string
  readonly amqpUrl: string
  readonly queue: string
  readonly ttlMs: number
  /** Where each finds MongoDB, when not at `mongoUri`. */
  readonly ways?: readonly [first: string, second: string]
}

export async function startInstances(db: Db, client: MongoClient, wanted: InstancesOptions): Promise<Instances> {
  const { mongoUri, amqpUrl, queue, ttlMs } = wanted
  const store = `${db.databaseName}_store`
  const options: ProcessOptions = {
    mongoUri,
    amqpUrl,
    database: db.databaseName,
    queue,
    store: { database: store },
    lease: { ttlMs },
    pipeline: { maxInFlight: 100, checkpointIntervalMs: 100 },
  }
  const begun = await now(client)
  const [firstWay, secondWay] = wanted.ways ?? [mongoUri, mongoUri]
  const first = await PipelineProcess.started({ ...options, mongoUri: firstWay })
  const from = await now(client)
  const second = await PipelineProcess.started({ ...options, mongoUri: secondWay })
  const load = new Load([db.collection('a'), db.collection('b')], { everyMs: 2 })
  return {
    async ranks() {
      await until(
        () => epochOf(first) !== epochOf(second),
        () => 'one that has the lease',
      )
      const isFirst = epochOf(first) > epochOf(second)
      const [leader, other] = isFirst ? [first, second] : [second, first]
      return { leader, other, epoch: epochOf(leader), isFirst }
    },
    async judge(inbox) {
      // A busy machine writes less between two changes of the lease. Not every delete finds something.
      await until(
        () => load.written >= 300,
        () => `300 writes, got ${load.written}`,
      )
      await load.stop()
      return await verdict(client, db.databaseName, from, inbox, 200)
    },
    disputes: () => disputesIn(client, store, begun, [first, second]),
    async remove() {
      await load.stop()
      // SIGKILL also ends a process that is stopped.
      await Promise.all([first, second].map(process => process.kill()))
      await client.db(store).dropDatabase()
    },
  }
}

/** The epoch under which this process has the lease, 0 without. */
function epochOf({ leases }: PipelineProcess): number {
  const last = leases.at(-1)
  return last === undefined || last.lost !== undefined ? 0 : last.epoch
}

/** Resolves when this process has got the lease behind that of this epoch. */
export async function leads(process: PipelineProcess, behind: number, ms?: number): Promise<void> {
  await until(
    () => epochOf(process) > behind,
    () => `an epoch behind ${behind}, got ${JSON.stringify(process.leases)}`,
    { ms },
  )
}

/** Resolves when this process has lost the lease of this epoch. */
export async function loses({ leases }: PipelineProcess, epoch: number): Promise<void> {
  const lost = (): boolean => leases.some(news => news.epoch === epoch && news.lost !== undefined)
  await until(lost, () => `the loss of epoch ${epoch}, got ${JSON.stringify(leases)}`)
}

/** The pid that stands in the name of a holder. */
const pidOf = (holder: string): number => Number(holder.split(':').at(-2))

/**
 * Follows the document through all its changes: the epoch never goes back, and each save is told by nobody but the
 * process that has the lease at that moment.
 */
async function disputesIn(
  client: MongoClient,
  database: string,
  from: Timestamp,
  processes: readonly PipelineProcess[],
): Promise<string[]> {
  const disputes: string[] = []
  let [epoch, holder, saves] = [0, 0, 0]
  for (const change of await changesOf(client, database, from)) {
    const lease = { ...change.lease, epoch: change['lease.epoch'] ?? change.lease?.epoch }
    const name: string | undefined = change['lease.holder'] ?? change.lease?.holder
    if (lease.epoch !== undefined && lease.epoch < epoch) disputes.push(`epoch ${lease.epoch} behind ${epoch}`)
    if (lease.epoch !== undefined) epoch = lease.epoch
    if (name !== undefined) holder = pidOf(name)
    const savedAt: Date | undefined = change.savedAt
    if (savedAt === undefined) continue
    saves += 1
    const tellers = processes.filter(process => process.saves.includes(savedAt.getTime())).map(({ pid }) => pid)
    // Two may save in the same millisecond; and one that is killed, or cut off, tells nothing of its last save.
    if (tellers.length > 0 && !tellers.includes(holder)) disputes.push(`${tellers} saved, but ${holder} had the lease`)
  }
  if (saves < 5) disputes.push(`only ${saves} saves`)
  return disputes
}

/** The fields that each write has set, in order. */
async function changesOf(client: MongoClient, database: string, from: Timestamp): Promise<Document[]> {
  const end = { marker: true }
  const changes: Document[] = []
  const stream = client.db(database).watch([], { startAtOperationTime: from })
  try {
    await client.db(database).collection('end').insertOne(end)
    for (;;) {
      const change: Document = await stream.next()
      if (change.ns.coll === 'end') return changes
      if (change.operationType === 'insert') changes.push(change.fullDocument)
      else if (change.operationType === 'update') changes.push(change.updateDescription.updatedFields)
    }
  } finally {
    await stream.close()
  }
}
