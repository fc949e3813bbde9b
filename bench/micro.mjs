// npm run bench:micro: what each transform and each encoder costs per event, without servers. Bare nanoseconds say
// nothing on another machine: the last column compares with `JSON.stringify` of the same document in the same run.

import { build } from 'esbuild'
import { BSON, ObjectId } from 'mongodb'
import * as cdc from '../dist/index.js'
import { changeEvents } from '../dist/testing.js'
import { median, spread } from './figures.mjs'

const ROUNDS = 7
const CALLS = 5_000

const document = {
  _id: new ObjectId(),
  platform: 'medium',
  link: 'https://example.com/articles/1',
  author: { name: 'Ann', email: 'ann@example.com' },
  lines: [
    { sku: 'a', price: 1.5 },
    { sku: 'b', price: 2 },
  ],
  content: 'The quick brown fox reads change streams. '.repeat(20),
  at: new Date(0),
}
const events = changeEvents()
const insert = events.insert(document)
const update = events.update(document._id, { set: { 'author.email': 'b@example.com', platform: 'x' } })
const schema = { '~standard': { version: 1, vendor: 'bench', validate: value => ({ value }) } }
const key = 'a key of at least 16 bytes'
const entry = { _id: new ObjectId(), aggregateType: 'order', aggregateId: 7, type: 'placed', payload: document }
const message = cdc.changeEventMessage()(insert)

// What decodes the events of the source isn't exported; bundled with the shapes, which know its documents by their class.
const { outputFiles } = await build({
  stdin: {
    contents: `export * from './index.ts'; export { EventDecoder } from './source/decode-event.ts'`,
    resolveDir: `${import.meta.dirname}/../src`,
  },
  external: ['mongodb', 'amqplib'],
  bundle: true,
  write: false,
  format: 'esm',
  platform: 'node',
})
const bundle = Buffer.from(outputFiles[0].contents).toString('base64')
const source = await import(`data:text/javascript;base64,${bundle}`)
const decoder = new source.EventDecoder(BSON, true)
const bytes = BSON.serialize(insert)
/** The whole way from the bytes of an event, whose document nobody reads, to its message. */
const fromBytes = shape => bytes => shape(decoder.decode(bytes))

const context = { event: insert, id: insert._id._data, signal: new AbortController().signal }

const subjects = {
  'JSON.stringify': [document => JSON.stringify(document), document],
  filter: [cdc.filter(() => true), insert],
  map: [cdc.map(event => ({ ...event })), insert],
  onlyOperations: [cdc.onlyOperations('insert'), insert],
  onlyNamespaces: [cdc.onlyNamespaces('shop.orders'), insert],
  whenChanged: [cdc.whenChanged('author.email'), update],
  when: [cdc.when(() => true, cdc.omit('platform')), insert],
  pick: [cdc.pick('platform', 'lines.sku'), insert],
  omit: [cdc.omit('author.email', 'lines.price'), insert],
  'omit, of an update': [cdc.omit('author.email', 'lines.price'), update],
  rename: [cdc.rename({ platform: 'origin' }), insert],
  'redact, removing': [cdc.redact({ 'author.email': 'remove' }), insert],
  'redact, hashing': [cdc.redact({ 'author.email': { hash: { key } } }), insert],
  validate: [cdc.validate(schema), insert],
  addMetadata: [cdc.addMetadata({ service: 'shop' }), insert],
  splitArray: [cdc.splitArray('lines'), insert],
  enrich: [
    cdc.enrich(
      () => 1,
      event => event,
    ),
    insert,
  ],
  'pipe of three': [cdc.pipe(cdc.onlyOperations('insert'), cdc.omit('author.email'), cdc.documentMessage()), insert],
  documentMessage: [cdc.documentMessage(), insert],
  changeEventMessage: [cdc.changeEventMessage(), insert],
  'changeEventMessage, canonical': [cdc.changeEventMessage({ ejson: 'canonical' }), insert],
  'changeEventMessage, BSON': [cdc.changeEventMessage({ encoder: cdc.bsonEncoder({ BSON }) }), insert],
  debeziumMessage: [cdc.debeziumMessage({ name: 'bench' }), insert],
  'cloudEventMessage, binary': [cdc.cloudEventMessage({ source: '/bench' }), insert],
  'cloudEventMessage, structured': [cdc.cloudEventMessage({ source: '/bench', mode: 'structured' }), insert],
  outboxRouter: [cdc.outboxRouter(), events.insert(entry)],
  'ejsonEncoder alone': [cdc.ejsonEncoder().encode, new Map(Object.entries(document))],
  compress: [cdc.compress(), message],
  'from BSON: decoding alone': [bytes => decoder.decode(bytes), bytes],
  'from BSON: documentMessage': [fromBytes(source.documentMessage()), bytes],
  'from BSON: changeEventMessage': [fromBytes(source.changeEventMessage()), bytes],
  'from BSON: debeziumMessage': [fromBytes(source.debeziumMessage({ name: 'bench' })), bytes],
  'from BSON: cloudEventMessage': [fromBytes(source.cloudEventMessage({ source: '/bench' })), bytes],
}

const times = Object.fromEntries(Object.keys(subjects).map(name => [name, []]))
// In turns, so that a machine that isn't quiet disturbs all alike; the first round only warms up.
for (let round = 0; round <= ROUNDS; round++) {
  for (const [name, [run, input]] of Object.entries(subjects)) {
    const started = performance.now()
    for (let call = 0; call < CALLS; call++) {
      const output = run(input, context)
      if (output instanceof Promise) await output
    }
    if (round > 0) times[name].push(((performance.now() - started) * 1e6) / CALLS)
  }
}
const reference = median(times['JSON.stringify'])
console.log(
  `node ${process.version}, ${ROUNDS} rounds of ${CALLS} calls; documents of ${JSON.stringify(document).length} bytes`,
)
for (const [name, values] of Object.entries(times)) {
  const ratio = (median(values) / reference).toFixed(2)
  console.log(
    `${name.padEnd(32)} ${median(values).toFixed(0).padStart(7)} ns (${spread(values, 0)})`.padEnd(70),
    `× ${ratio}`,
  )
}
