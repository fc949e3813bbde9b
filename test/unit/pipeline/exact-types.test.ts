import { expect, it } from 'vitest'
import {
  type CdcPipelineOptions,
  ChangeStreamSource,
  changeEventMessage,
  createCdcPipeline,
  map,
  pipe,
} from '../../../src/index.js'
import type { RabbitMessage, Sink, Source } from '../../../src/types.js'

const sink: Sink<RabbitMessage> = { publish: async () => undefined, close: async () => undefined }
const checkpointStore = { load: async () => undefined, save: async () => undefined }
const canonical = pipe(map(changeEventMessage({ ejson: 'canonical' })))

function optionsWith(source: unknown): CdcPipelineOptions<never, RabbitMessage> {
  return { name: 'n', source: source as Source<never>, transform: canonical as never, sink, checkpointStore }
}

it('refuses canonical messages from a source that was told to promote values', () => {
  const source = new ChangeStreamSource({ uri: 'mongodb://localhost', promoteValues: true })
  expect(() => createCdcPipeline(optionsWith(source))).toThrowError(/`promoteValues` to be false/)
})

it('refuses canonical messages from a source that can not keep the types', () => {
  const source = { open: async function* () {} }
  expect(() => createCdcPipeline(optionsWith(source))).toThrowError(/`useExactTypes`/)
})

it('asks the source for exact types when the messages are canonical, and only then', () => {
  let asked = 0
  const source = { open: async function* () {}, useExactTypes: () => asked++ }
  createCdcPipeline({ ...optionsWith(source), transform: changeEventMessage() as never })
  expect(asked).toBe(0)
  createCdcPipeline(optionsWith(source))
  expect(asked).toBe(1)
})
