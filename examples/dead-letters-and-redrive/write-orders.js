import { MongoClient } from 'mongodb'

const { MONGODB_URI, DATABASE = 'shop' } = process.env
const client = new MongoClient(MONGODB_URI, { serverSelectionTimeoutMS: 5000 })

try {
  await client
    .db(DATABASE)
    .collection('orders')
    .insertMany([
      { customer: 'Ada', lines: [{ sku: 'mug', price: 5, quantity: 2 }] },
      { customer: 'Bob' }, // the poison: no lines
      { customer: 'Cleo', lines: [{ sku: 'pot', price: 20, quantity: 1 }] },
    ])
} finally {
  await client.close()
}
