// All that the demo prints.

import { styleText } from 'node:util'
import { isGood } from './check.mjs'

const WIDTH = 110
let onProgressLine = false

/** What is going to be seen. */
export function printIntroduction(planned) {
  console.log(`${planned} changes are written to a real MongoDB, and a pipeline publishes them to a real RabbitMQ.
Half-way the pipeline is killed with SIGKILL; writing goes on without it, then it is started again.
In the end what was written is compared with what arrived. This takes about half a minute, the first time longer.
`)
}

export function say(line) {
  if (onProgressLine) process.stdout.write('\n')
  onProgressLine = false
  console.log(`${styleText('dim', '·')} ${line}`)
}

let lastProgress = ''

/** One line that is written over on a terminal; elsewhere a line for each tenth. */
export function progress(written, received, planned) {
  const note = received > written ? ' with duplicates' : ''
  const line = `written ${written} of ${planned}, arrived ${received}${note}`
  if (line === lastProgress) return
  if (process.stdout.isTTY) {
    process.stdout.write(`\r  ${line}   `)
    onProgressLine = true
  } else if (Math.floor((received * 10) / planned) !== Math.floor((arrivedIn(lastProgress) * 10) / planned)) {
    console.log(`  ${line}`)
  } else {
    return
  }
  lastProgress = line
}

function arrivedIn(line) {
  return Number(/arrived (\d+)/.exec(line)?.[1] ?? -1)
}

/** The last message of this operation, cut to one line. */
export function printSample(received, operation) {
  const message = received.findLast(one => one.operation === operation)
  if (message === undefined) return
  const body = JSON.stringify(message.body)
  const cut = body.length > WIDTH ? `${body.slice(0, WIDTH)}…` : body
  say(`${styleText('bold', operation)} ${styleText('dim', message.messageId.slice(0, 8))} ${cut}`)
}

/** The table, why there are duplicates, and the verdict. */
export function printResult({ written, published, duplicates, lost, unexpected, outOfOrder, seconds }) {
  if (onProgressLine) process.stdout.write('\n')
  const rows = [
    ['written', written],
    ['published', published],
    ['duplicates', duplicates],
    ['lost', lost],
    ['unexpected', unexpected],
    ['out of order', outOfOrder],
    ['seconds', seconds.toFixed(1)],
  ]
  console.log('\n  changes of articles, posts and repositories')
  for (const [name, value] of rows) console.log(`  ${name.padEnd(14)}${String(value).padStart(8)}`)
  console.log()
  if (duplicates > 0)
    console.log(
      '  Duplicates: at least once. What was published between the last saved position and the kill comes again.',
    )
  console.log(`  ${verdict({ lost, unexpected, outOfOrder })}\n`)
}

function verdict(result) {
  if (isGood(result)) return styleText('green', 'Nothing lost: every change arrived, in order per document.')
  const { lost, unexpected, outOfOrder } = result
  return styleText('red', `Failed: ${lost} lost, ${unexpected} unexpected, ${outOfOrder} out of order.`)
}

export function printKeepHelp({ mongo, rabbit }, database, queue) {
  console.log(`All keeps running. MongoDB: ${mongo.uri}
                   RabbitMQ: ${rabbit.url}   queue: ${queue}
Insert a document from another terminal, in this folder:
  node -e "const { MongoClient } = require('mongodb'); (async () => { const c = new MongoClient('${mongo.uri}'); await c.db('${database}').collection('articles').insertOne({ _id: crypto.randomUUID(), platform: 'medium', content: { Title: 'Hello' } }); await c.close() })()"
Its message appears here. Or point mongosh and the RabbitMQ tools of your choice at the two addresses.
Press Ctrl+C to end everything.
`)
}
