import { describe, expect, it } from 'vitest'
import {
  addMetadata,
  changeEventMessage,
  cloudEventMessage,
  compress,
  createCdcPipeline,
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
  ...{ debeziumMessage, cloudEventMessage, compress, outboxRouter },
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

  it('is not seen in what a factory has made', () => {
    expect(() =>
      pipe(
        map((x: never) => x),
        documentMessage(),
      ),
    ).not.toThrow()
  })
})
