// What should have arrived, read from MongoDB itself, against what did.

import { collections } from './crawler.mjs'

/**
 * The order of every change of the three collections since `from`, read by a fresh change stream of the driver, and
 * compared with what the crawlers know they wrote.
 */
export async function readTruth(client, database, from, { written }) {
  const stream = client
    .db(database)
    .watch([{ $match: { 'ns.coll': { $in: collections } } }], { startAtOperationTime: from })
  const orders = []
  for (let empty = 0; orders.length < written && empty < 5; ) {
    const event = await stream.tryNext()
    if (event === null) empty++
    else if (event.documentKey) orders.push(orderOf(event)) // not the drop before the demo
  }
  await stream.close()
  if (orders.length !== written) throw new Error(`Wrote ${written} changes, but MongoDB tells of ${orders.length}`)
  return orders
}

/** Counts. A message is known by its header `x-cdc-order`; order is that of first arrivals, per document. */
export function check(truth, received) {
  const expected = new Set(truth)
  const seen = new Set()
  const newest = new Map()
  let outOfOrder = 0
  for (const { order, body } of received) {
    if (seen.has(order)) continue
    seen.add(order)
    if (order < (newest.get(body.entry_id) ?? '')) outOfOrder++
    newest.set(body.entry_id, order)
  }
  return {
    published: received.length,
    duplicates: received.length - seen.size,
    lost: truth.filter(order => !seen.has(order)).length,
    unexpected: [...seen].filter(order => !expected.has(order)).length,
    outOfOrder,
  }
}

/** Duplicates are allowed: the guarantee is at least once. */
export function isGood({ lost, unexpected, outOfOrder }) {
  return lost + unexpected + outOfOrder === 0
}

/** What the header of its message holds; see docs/messages.md. */
function orderOf({ _id, operationType }) {
  return `${_id._data.slice(0, 60)}${operationType === 'delete' ? 0 : 1}`
}
