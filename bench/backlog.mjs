// Backlogs: changes that are in the oplog before anybody reads.

import { randomUUID } from 'node:crypto'
import { BSON } from 'mongodb'
import { zipf } from './zipf.mjs'

const BATCH = 5_000
/** Of an insert at once, in bytes. */
const BATCH_BYTES = 16 * 2 ** 20
/** How many documents the updates of W2 are spread over; by Zipf's law the first gets 10.2 % of them. */
const KEYS = 10_000
const SENTENCE = 'The quick brown fox reads change streams and never loses one. '

/** A document as a crawler writes them; of 1 KB, unless another size is said. */
export function article(n, bytes = 1_024) {
  return {
    _id: randomUUID(),
    n,
    platform: 'medium',
    link: `https://example.com/articles/${n}`,
    author_id: randomUUID(),
    content: { Title: `Article ${n}`, Content: filler(bytes - 264) },
    at: new Date(),
    score: 0.5 + n,
  }
}

/** The same of 50 KB. */
export function largeArticle(n) {
  return article(n, 50 * 1_024)
}

/** A document of 100 bytes. */
export function note(n) {
  return { _id: randomUUID(), n, text: filler(31) }
}

/** The beginning of a backlog in this collection: what is written from now on. */
export async function beginBacklog(collection) {
  const { operationTime } = await collection.db.admin().command({ hello: 1 })
  // For programs that start after a token, and not at a time.
  const stream = collection.watch()
  await stream.tryNext()
  const token = stream.resumeToken
  await stream.close()
  return { collection: collection.collectionName, from: { t: operationTime.t, i: operationTime.i + 1 }, token }
}

/** Inserts what `make` returns for 0, 1, 2 … */
export async function loadInserts(collection, count, make = article) {
  const backlog = await beginBacklog(collection)
  await insert(collection, 0, count, make)
  return backlog
}

export async function insert(collection, first, count, make = article) {
  const size = BSON.calculateObjectSize(make(0))
  const batch = Math.min(BATCH, Math.ceil(BATCH_BYTES / size))
  for (let done = 0; done < count; done += batch) {
    const documents = Array.from({ length: Math.min(batch, count - done) }, (_, index) => make(first + done + index))
    await collection.insertMany(documents, { ordered: false })
  }
}

/** An update of W2, which sets 1 KB. */
export function hotUpdate(n, key) {
  const { _id, ...fields } = article(n)
  return { updateOne: { filter: { _id: key }, update: { $set: fields } } }
}

/** The documents that W2 updates, as new; `_id` is 0 for the hot one, and `n` is what no update sets. */
export async function insertKeys(collection) {
  await collection.deleteMany({})
  await insert(collection, 0, KEYS, key => ({ ...article(-1), _id: key }))
}

/** A source of keys, the same in every run. */
export function hotKeys() {
  return zipf(KEYS)
}

/** Updates whose keys follow Zipf's law. */
export async function loadHotUpdates(collection, count) {
  await insertKeys(collection)
  return loadUpdates(collection, count, hotKeys())
}

/** Updates of documents that are there, each of another one until all have had their turn. */
export async function loadSpreadUpdates(collection, count) {
  await insertKeys(collection)
  let n = 0
  return loadUpdates(collection, count, () => n++ % KEYS)
}

async function loadUpdates(collection, count, nextKey) {
  const backlog = await beginBacklog(collection)
  for (let done = 0; done < count; done += BATCH) {
    const operations = Array.from({ length: Math.min(BATCH, count - done) }, (_, index) =>
      hotUpdate(done + index, nextKey()),
    )
    await collection.bulkWrite(operations)
  }
  return backlog
}

function filler(length) {
  return SENTENCE.repeat(Math.ceil(length / SENTENCE.length)).slice(0, length)
}
