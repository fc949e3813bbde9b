// What RabbitMQ takes from anybody: the messages of this library, to the byte, framed before the clock runs, with as
// many unconfirmed as the pipeline has at its defaults. Nothing is left to do but to write them. With `bare` the same bodies
// as the loops send them: persistent, and nothing else, so that a message that no queue gets is lost in silence.

import amqp from 'amqplib'
import { startCountingBroker } from '../counting-broker.mjs'
import { measure, refuseToMeasure } from '../figures.mjs'
import { queueArguments } from '../jobs.mjs'
import { pipelineTo, published } from './pipeline.mjs'
import { told } from './told.mjs'

/** The default of `maxInFlight`. */
const SPAN = 1_000
/** How many different messages there are; they are sent in turns. */
const DIFFERENT = 5_000

/** Type, channel and size in front, and one byte behind. */
const FRAME_OVERHEAD = 8
const FRAME_END = 0xce
/** In a header frame, behind class, weight and size of the body. */
const PROPERTIES_AT = 7 + 12
const PERSISTENT = 2

const { amqpUrl, queue, queueType, count, bare } = told

const messages = (await messagesOfOurs(Math.min(DIFFERENT, count))).map(message => (bare ? bared(message) : message))
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

/** Its frames without the flag `mandatory`, and with no property but `delivery-mode`. */
function bared(message) {
  const [method, header, ...bodies] = framesIn(message)
  method[method.length - 2] = 0
  const properties = Buffer.from([0x10, 0, PERSISTENT, FRAME_END])
  const bareHeader = Buffer.concat([header.subarray(0, PROPERTIES_AT), properties])
  bareHeader.writeUInt32BE(bareHeader.length - FRAME_OVERHEAD, 3)
  return Buffer.concat([method, bareHeader, ...bodies])
}

function framesIn(message) {
  const frames = []
  for (let at = 0; at < message.length; at += frames.at(-1).length) {
    frames.push(message.subarray(at, at + message.readUInt32BE(at + 3) + FRAME_OVERHEAD))
  }
  return frames
}

/** Into each frame of a message. */
function setChannel(message, number) {
  for (const frame of framesIn(message)) frame.writeUInt16BE(number, 1)
}
