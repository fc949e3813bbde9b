// All that the demo prints.

import { styleText } from 'node:util'

const WIDTH = 110
let onProgressLine = false

export function say(line) {
  if (onProgressLine) process.stdout.write('\n')
  onProgressLine = false
  console.log(`${styleText('dim', '·')} ${line}`)
}

let lastProgress = ''

/** One line that is written over on a terminal; elsewhere a line for each tenth. */
export function progress(written, received, planned) {
  const line = `written ${written} of about ${planned}, arrived ${received}`
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

export function printTable({ written, published, duplicates, lost, unexpected, outOfOrder, seconds }) {
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
