import { RabbitPublisher, redrive } from 'mongo-rabbit-cdc'
import { mendedTransform } from './transforms.js'

const { AMQP_URL, QUEUE = 'orders' } = process.env

const { redriven, failed, remaining, failures } = await redrive({
  url: AMQP_URL,
  queue: `${QUEUE}.dead`,
  transform: mendedTransform,
  sink: new RabbitPublisher({ url: AMQP_URL, queue: { name: QUEUE } }),
})

console.log(`${redriven} sent again, ${failed} failed again, ${remaining} remaining`)
for (const { messageId, error } of failures) console.error(messageId, error)
if (failed > 0) process.exitCode = 1
