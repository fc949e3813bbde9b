// Where and with what the figures were taken.

import { arch, cpus, loadavg, platform, release, totalmem } from 'node:os'
import amqp from 'amqplib'
import { OURS, PEER, versionOf } from './versions.mjs'

export async function printMachine({ mongo, rabbit }, { rounds, events }) {
  const connection = await amqp.connect(rabbit.url)
  const broker = connection.connection.serverProperties
  await connection.close()
  console.log(
    `\`npm run bench${process.argv
      .slice(2)
      .map(word => ` ${word}`)
      .join('')
      .replace(' ', ' -- ')}\`\n`,
  )
  console.log(
    `- ${cpus().length} × ${cpus()[0].model}, ${gigabytes(totalmem())} GB, ${platform()} ${release()} ${arch()}`,
  )
  console.log(
    `- load before: ${loadavg()
      .map(value => value.toFixed(1))
      .join(', ')}; servers and clients on this machine`,
  )
  console.log(
    `- node ${process.versions.node}, MongoDB ${mongo.version}, RabbitMQ ${broker.version} (${broker.platform})`,
  )
  console.log(`- mongodb ${versionOf('mongodb')}, amqplib ${versionOf('amqplib')}, ${PEER.name} ${PEER.version}`)
  console.log(`- mongo-rabbit-cdc ${OURS}; ${rounds} rounds in turns, ${events} events: median (least–greatest)`)
}

function gigabytes(bytes) {
  return (bytes / 2 ** 30).toFixed(0)
}
