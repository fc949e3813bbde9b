import { describe, expect, it } from 'vitest'
import {
  addMetadata,
  changeEventMessage,
  cloudEventMessage,
  compress,
  createCdcPipeline,
  deadLetterMessage,
  debeziumMessage,
  documentMessage,
  enrich,
  filter,
  map,
  memoryCheckpointStore,
  OptionsError,
  omit,
  onlyNamespaces,
  onlyOperations,
  outboxRouter,
  pick,
  pipe,
  redact,
  redrive,
  rename,
  splitArray,
  validate,
  when,
  whenChanged,
} from '../../src/index.js'

const factories = {
  ...{ changeEventMessage, documentMessage, filter, map },
  ...{ onlyNamespaces, onlyOperations, pipe, whenChanged },
  ...{ pick, omit, rename, redact, validate, enrich, addMetadata, splitArray, when },
  ...{ debeziumMessage, cloudEventMessage, compress, outboxRouter, deadLetterMessage },
}

describe('a forgotten `()`', () => {
  it.each(Object.entries(factories))('of %s is noticed when the pipe is made', (name, factory) => {
    const text = `Expected \`step 2 of pipe\` to be a transform, got the factory \`${name}\`: call it, \`${name}()\``
    expect(() => pipe((x: unknown) => x as never, factory as never)).toThrow(text)
  })

  it('is noticed by map and by the pipeline', () => {
    expect(() => map(documentMessage as never)).toThrow('`fn of map` to be a transform, got the factory')
    const parts = { source: { open: () => [] }, sink: { publish() {}, close() {} } }
    const options = { name: 'x', ...parts, checkpointStore: memoryCheckpointStore(), transform: changeEventMessage }
    const create = () => createCdcPipeline(options as never)
    expect(create).toThrow(OptionsError)
    expect(create).toThrow('`transform` to be a transform, got the factory `changeEventMessage`')
  })

  it('is noticed by every step that takes a function', () => {
    const id = (x: never): never => x
    const calls = {
      'transform of when': () => when(() => true, documentMessage as never),
      'otherwise of when': () => when(() => true, id, documentMessage as never),
      'shape of splitArray': () => splitArray('lines', documentMessage as never),
      'load of enrich': () => enrich(documentMessage as never, id),
      'merge of enrich': () => enrich(() => 1, documentMessage as never),
    }
    for (const [name, call] of Object.entries(calls)) {
      expect(call).toThrow(`Expected \`${name}\` to be a transform, got the factory \`documentMessage\``)
    }
  })

  it('is noticed by redrive, and where dead letters are made', async () => {
    const sink = { async publish() {}, async close() {} }
    const again = redrive({ url: 'amqp://localhost', queue: 'dead', sink, transform: documentMessage as never })
    await expect(again).rejects.toThrow('`transform` to be a transform, got the factory `documentMessage`')
    const parts = { source: { open: () => [] }, sink, checkpointStore: memoryCheckpointStore(), transform: () => null }
    const create = () => createCdcPipeline({ name: 'x', ...parts, deadLetter: { message: deadLetterMessage } } as never)
    expect(create).toThrow('`deadLetter.message` to be a transform, got the factory `deadLetterMessage`')
  })

  it('is not seen in what a factory has made', () => {
    expect(() =>
      pipe(
        map((x: never) => x),
        documentMessage(),
      ),
    ).not.toThrow()
  })
})
