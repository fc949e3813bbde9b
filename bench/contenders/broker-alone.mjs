// What RabbitMQ takes from anybody: the messages of this library, to the byte, framed before the clock runs, with as
// many unconfirmed as the pipeline has at its defaults. Nothing is left to do but to write them.

import amqp from 'amqplib'
import { startCountingBroker } from '../counting-broker.mjs'
import { measure, refuseToMeasure } from '../figures.mjs'
import { queueArguments } from '../jobs.mjs'
import { pipelineTo, published } from './pipeline.mjs'
import { told } from './told.mjs'

/** The default of `maxInFlight`. */
const SPAN = 2_000
/** How many different messages there are; they are sent in turns. */
const DIFFERENT = 5_000

const { amqpUrl, queue, queueType, count } = told

const messages = await messagesOfOurs(Math.min(DIFFERENT, count))
const connection = await amqp.connect(amqpUrl, { noDelay: true })
connection.on('blocked', refuseToMeasure)
const channel = await connection.createConfirmChannel()
await channel.assertQueue(queue, { arguments: queueArguments(queueType) })
// Past amqplib, which frames by itself and keeps a list of what is unconfirmed.
const { stream } = channel.connection
channel.removeAllListeners('ack')
channel.on('nack', () => refuseToMeasure('RabbitMQ refused a message'))
for (const message of messages) setChannel(message, channel.ch)

let sent = 0
let confirmed = 0
let [started, cpu, first] = [performance.now(), process.cpuUsage(), 0]
await new Promise(resolve => {
  const early = new Set() // confirmed before one that was sent before them
  channel.on('ack', ({ deliveryTag, multiple }) => {
    if (multiple) confirmed = Math.max(confirmed, deliveryTag)
    else early.add(deliveryTag)
    while (early.delete(confirmed + 1)) confirmed += 1
    if (first === 0 && confirmed >= count / 100) {
      ;[started, cpu, first] = [performance.now(), process.cpuUsage(), confirmed] // start-up is left out
    }
    if (confirmed >= count) resolve()
    else fill()
  })
  fill()
})
const figures = measure(count - first, performance.now() - started, cpu)
await connection.close()
process.stdout.write(JSON.stringify(figures))

function fill() {
  stream.cork()
  for (; sent < count && sent - confirmed < SPAN; sent++) stream.write(messages[sent % messages.length])
  stream.uncork()
}

/** The first messages that the pipeline sends to a broker that keeps them. */
async function messagesOfOurs(wanted) {
  const broker = await startCountingBroker({ keep: wanted })
  const pipeline = pipelineTo(broker.url, `${queue}-frames`)
  await pipeline.start()
  await published(pipeline, wanted)
  await pipeline.stop()
  await broker.close()
  return broker.messages()
}

/** Into each frame of a message. */
function setChannel(message, number) {
  for (let at = 0; at < message.length; at += message.readUInt32BE(at + 3) + 8) message.writeUInt16BE(number, at + 1)
}
