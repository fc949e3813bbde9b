// What loops over the driver and amqplib read from and write to.

import amqp from 'amqplib'
import { MongoClient } from 'mongodb'
import { refuseToMeasure } from '../figures.mjs'
import { queueArguments } from '../jobs.mjs'
import { startOfBacklog, told } from './told.mjs'

/** Connects to both; the change stream begins where the backlog does. */
export async function openEnds() {
  const { mongoUri, amqpUrl, queue, queueType, database, collection } = told
  const client = await new MongoClient(mongoUri).connect()
  const connection = await amqp.connect(amqpUrl, { noDelay: true })
  connection.on('blocked', refuseToMeasure)
  const channel = await connection.createConfirmChannel()
  await channel.assertQueue(queue, { arguments: queueArguments(queueType) })
  const stream = client
    .db(database)
    .collection(collection)
    .watch([], { startAtOperationTime: startOfBacklog(), batchSize: 1000 })
  return { client, connection, channel, stream, checkpoints: client.db(database).collection('checkpoints') }
}
