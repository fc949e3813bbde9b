// npm run test:matrix: the integration tests with each supported major of the two peers; takes about as many times six
// minutes as there are rows. `npm test` runs a part of them with the oldest of both (project `oldest`).

import { spawnSync } from 'node:child_process'

const ROWS = [
  { mongodb: 'mongodb-6', amqplib: 'amqplib-0' },
  { mongodb: 'mongodb-6', amqplib: 'amqplib-1' },
  { mongodb: 'mongodb-6', amqplib: 'amqplib' },
  { mongodb: 'mongodb', amqplib: 'amqplib-0' },
  { mongodb: 'mongodb', amqplib: 'amqplib-1' },
]

const failed = []
for (const { mongodb, amqplib } of ROWS) {
  const name = `${mongodb} with ${amqplib}`
  console.log(`\n${name}`)
  const { status } = spawnSync('npx', ['vitest', 'run', '--project', 'integration', 'test/integration'], {
    stdio: 'inherit',
    env: { ...process.env, CDC_MONGODB: mongodb, CDC_AMQPLIB: amqplib },
  })
  if (status !== 0) failed.push(name)
}
console.log(failed.length === 0 ? `\n${ROWS.length} rows, all green` : `\nFailed: ${failed.join('; ')}`)
process.exit(failed.length === 0 ? 0 : 1)
