import { MongoClient } from 'mongodb'
import { orderService } from './orders.js'

const { MONGODB_URI, DATABASE = 'shop' } = process.env
const client = new MongoClient(MONGODB_URI, { serverSelectionTimeoutMS: 5000 })
const { place } = orderService({ client, database: DATABASE })

try {
  await client
    .db(DATABASE)
    .collection('stock')
    .updateOne({ _id: 'mug' }, { $set: { left: 5 } }, { upsert: true })
  for (const quantity of [10, 2]) {
    try {
      console.log(`placed ${await place({ sku: 'mug', quantity })}`)
    } catch (error) {
      console.log(`aborted: ${error.message}`)
    }
  }
} finally {
  await client.close()
}
