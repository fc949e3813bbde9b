import { enqueue } from 'mongo-rabbit-cdc'

/** Places orders: an order, the stock that it takes and the event that tells of it are committed together, or not at all. */
export function orderService({ client, database }) {
  const db = client.db(database)
  const orders = db.collection('orders')
  const stock = db.collection('stock')
  const outbox = db.collection('outbox')

  /** Resolves with the id of the order; rejects where there is not enough left. */
  function place({ sku, quantity }) {
    return client.withSession(session =>
      // Called again where the servers ask for it: nothing in here may reach out of the transaction.
      session.withTransaction(async () => {
        const { insertedId } = await orders.insertOne({ sku, quantity, status: 'placed' }, { session })
        await enqueue(outbox, session, {
          aggregateType: 'order',
          aggregateId: insertedId,
          type: 'placed',
          payload: { orderId: String(insertedId), sku, quantity },
        })
        const enough = { _id: sku, left: { $gte: quantity } }
        const { modifiedCount } = await stock.updateOne(enough, { $inc: { left: -quantity } }, { session })
        if (modifiedCount === 0) throw new Error(`Not enough of ${sku}`) // aborts: the event is gone with the order
        return insertedId
      }),
    )
  }

  return { place }
}
