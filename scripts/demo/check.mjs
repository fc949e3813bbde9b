// What should have arrived, read from MongoDB itself, against what did.

import { collections } from './crawler.mjs'

/**
 * The tokens of every change of the three collections since `from`, read by a fresh change stream of the driver, and
 * compared with what the crawlers know they wrote.
 */
export async function readTruth(client, database, from, { written }) {
  const stream = client
    .db(database)
    .watch([{ $match: { 'ns.coll': { $in: collections } } }], { startAtOperationTime: from })
  const tokens = []
  for (let empty = 0; tokens.length < written && empty < 5; ) {
    const event = await stream.tryNext()
    if (event === null) empty++
    else if (event.documentKey) tokens.push(event._id._data) // not the drop before the demo
  }
  await stream.close()
  if (tokens.length !== written) throw new Error(`Wrote ${written} changes, but MongoDB tells of ${tokens.length}`)
  return tokens
}

/** Counts. A message is known by the token in its header; order is that of first arrivals, per document. */
export function check(truth, received) {
  const expected = new Set(truth)
  const seen = new Set()
  const newest = new Map()
  let outOfOrder = 0
  for (const { token, body } of received) {
    if (seen.has(token)) continue
    seen.add(token)
    if (token < (newest.get(body.entry_id) ?? '')) outOfOrder++
    newest.set(body.entry_id, token)
  }
  return {
    published: received.length,
    duplicates: received.length - seen.size,
    lost: truth.filter(token => !seen.has(token)).length,
    unexpected: [...seen].filter(token => !expected.has(token)).length,
    outOfOrder,
  }
}

/** Duplicates are allowed: the guarantee is at least once. */
export function isGood({ lost, unexpected, outOfOrder }) {
  return lost + unexpected + outOfOrder === 0
}
