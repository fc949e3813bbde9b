import { afterEach, describe, expect, it } from 'vitest'
import { memoryCheckpointStore } from '../../../src/checkpoint/memory-checkpoint-store.js'
import { createCdcPipeline } from '../../../src/pipeline/create-cdc-pipeline.js'
import {
  type Answer,
  arraySource,
  type CollectingSink,
  changeEvents,
  collectingSink,
  type FakeClock,
  fakeClock,
  sinkContract,
} from '../../../src/testing/index.js'
import type { CheckpointStore, Source } from '../../../src/types.js'

let clock: FakeClock | undefined
afterEach(() => clock?.restore())

function pipelineOf<E>(
  source: Source<E>,
  sink: CollectingSink<E>,
  checkpointStore: CheckpointStore = memoryCheckpointStore(),
) {
  const transform = (event: E): E => event
  return createCdcPipeline({ name: 'test', source, transform, sink, checkpointStore, onFailedEvent: 'skip' })
}

describe('a pipeline over an array', () => {
  it('delivers everything in order, and ends with the array', async () => {
    const items = Array.from({ length: 250 }, (_, n) => n)
    const sink = collectingSink<number>()
    await pipelineOf(arraySource(items), sink).run()
    expect(sink.messages).toEqual(items)
  })

  it('goes on after the saved position at the next start', async () => {
    const store = memoryCheckpointStore()
    const [first, second] = [collectingSink<string>(), collectingSink<string>()]
    await pipelineOf(arraySource(['a', 'b']), first, store).run()
    await pipelineOf(arraySource(['a', 'b', 'c']), second, store).run()
    expect([first.messages, second.messages]).toEqual([['a', 'b'], ['c']])
  })

  it('waits for more where it is kept open, and stops when it is told to', async () => {
    const source = arraySource<string>([], { keepOpen: true })
    const sink = collectingSink<string>()
    const pipeline = pipelineOf(source, sink)
    await pipeline.start()
    source.push('a', 'b')
    await sink.waitFor(2)
    expect(await pipeline.stop()).toEqual({ drained: true, unconfirmed: 0 })
    expect(sink.messages).toEqual(['a', 'b'])
  })

  it('fails with what the source could not heal', async () => {
    const source = arraySource<string>(['a'], { keepOpen: true })
    const pipeline = pipelineOf(source, collectingSink())
    const running = pipeline.run()
    source.fail(new Error('gone'))
    await expect(running).rejects.toThrow('gone')
  })

  it('keeps the changes of one document behind each other, and lets others pass', async () => {
    const events = changeEvents<{ _id: number }>()
    const [a1, a2, b] = [events.insert({ _id: 1 }), events.update(1), events.insert({ _id: 2 })]
    let let1 = (_: Answer): void => undefined
    const held = new Promise<Answer>(resolve => (let1 = resolve))
    const sink = collectingSink<unknown>({ answer: message => (message === a1 ? held : 'ack') })
    const running = pipelineOf<unknown>(arraySource<unknown>([a1, a2, b]), sink).run()
    await sink.waitFor(1)
    expect(sink.attempts.map(({ message }) => message)).toEqual([a1, b])
    let1('ack')
    await running
    expect(sink.attempts.map(({ message }) => message)).toEqual([a1, b, a2])
  })
})

describe('a sink on demand', () => {
  it.each<[string, Answer, number]>([
    ['nacked once', 'nack', 2],
    ['returned once', 'return', 2],
    ['failed once', new Error('passing'), 2],
  ])('sees a message that was %s again, with the same id', async (_, answer, attempts) => {
    clock = fakeClock()
    const sink = collectingSink<string>({ answer: (_message, _delivery, attempt) => (attempt === 1 ? answer : 'ack') })
    const running = pipelineOf(arraySource(['a']), sink).run()
    await clock.advance(5_000)
    await running
    expect(sink.messages).toEqual(['a'])
    expect(sink.attempts).toHaveLength(attempts)
    expect(new Set(sink.attempts.map(({ id }) => id)).size).toBe(1)
  })

  it('refuses for good what it is told to, and takes the others', async () => {
    const sink = collectingSink<string>({ answer: message => (message === 'bad' ? 'refuse' : 'ack') })
    await pipelineOf(arraySource(['a', 'bad', 'b']), sink).run()
    expect(sink.messages).toEqual(['a', 'b'])
  })

  it('confirms nothing while it is held', async () => {
    const sink = collectingSink<string>()
    sink.hold()
    const source = arraySource(['a', 'b'], { keepOpen: true })
    const pipeline = pipelineOf(source, sink)
    await pipeline.start()
    while (sink.attempts.length < 2) await new Promise(resolve => setImmediate(resolve))
    expect([sink.messages, pipeline.stats().inFlight]).toEqual([[], 2])
    sink.release()
    await sink.waitFor(2)
    await pipeline.stop()
  })

  it('stops the reading while it is not well', async () => {
    const sink = collectingSink<string>()
    const source = arraySource<string>([], { keepOpen: true })
    const pipeline = pipelineOf(source, sink)
    await pipeline.start()
    sink.setHealth({ ok: false, reason: 'blocked' })
    source.push('a')
    for (let turn = 0; turn < 20; turn += 1) await new Promise(resolve => setImmediate(resolve))
    expect([pipeline.state, pipeline.health().reasons, sink.attempts.length]).toEqual(['degraded', ['blocked'], 0])
    sink.setHealth({ ok: true })
    await sink.waitFor(1)
    await pipeline.stop()
  })

  describe('keeps the contract of every sink', () => {
    const make = () => {
      const sink = collectingSink<number>({ answer: n => (n < 0 ? 'refuse' : 'ack') })
      return { sink, message: (n: number) => n, received: async () => [...sink.messages], impossible: () => -1 }
    }
    for (const { name, run } of sinkContract(make)) it(name, run)
  })
})

describe('the contract of sinks', () => {
  it.each<[string, Partial<CollectingSink<number>>, RegExp]>([
    ['has a message', { publish: async () => undefined }, /deep-equal|strictly/],
    ['is well when it is open', { health: () => ({ ok: false, since: 0 }) }, /false/],
    ['tells a size', { sizeOf: () => Number.NaN }, /size/],
  ])('finds a sink that breaks "%s"', async (name, broken, reason) => {
    const sink = { ...collectingSink<number>(), ...broken }
    const cases = sinkContract(() => ({ sink, message: n => n, received: async () => [] }))
    await expect(cases.find(each => each.name.startsWith(name))?.run()).rejects.toThrow(reason)
  })
})
